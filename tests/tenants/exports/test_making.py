"""Exports asked for, made step by step, taken back and deleted. What each app puts in is tested beside that app."""

import io
import json
import threading
import zipfile
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connections, transaction
from django.utils import timezone

from tenants.enums import ExportState, Role
from tenants.exports.making import MOST_TRIES, begin, parts_of, run, step
from tenants.exports.models import Export, ExportPiece
from tenants.exports.parts import exporting, part_of
from tenants.exports.services import ask_for_export, file_of
from tenants.models import AuditEntry, Invitation, Membership, Tenant, User
from tests.tenants.exports.exported import exported

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def history():
    return list(AuditEntry.objects.order_by("pk").values_list("by_label", "deed", "subject"))


def test_owner_gets_a_file_a_mail_and_a_history(tenant, owner, django_capture_on_commit_callbacks):
    asked = ask_for_export(tenant, by=owner)
    with django_capture_on_commit_callbacks(execute=True):
        assert run() == 0
    asked.refresh_from_db()
    assert (asked.state, asked.tries, asked.place) == (ExportState.READY, 0, {})
    assert asked.ended_at
    assert asked.expires_at == asked.ended_at + timedelta(days=7)
    assert asked.bytes == sum(map(len, file_of(asked)))
    assert history() == [
        (owner.email, "asked for an export of", "Acme"),
        ("Headwater", "finished the export that", f"{owner.email} had asked for"),
    ]
    (told,) = mail.outbox
    assert (told.to, told.subject) == ([owner.email], "The data of Acme is ready to be downloaded")
    assert f"/t/acme/privacy/export/{asked.token}/" in told.body


def test_file_has_a_readme_and_the_companys_own_rows(tenant, owner, viewer, stranger):
    Invitation.objects.create(
        tenant=tenant, email="new@acme.test", role=Role.ADMIN, digest=b"d" * 32, invited_by=owner,
        expires_at=timezone.now(),
    )  # fmt: skip
    files = exported(tenant, owner)
    assert files["README.txt"].startswith(f"All data of Acme, asked for by {owner.email} at ")
    assert all(f"\n{name}\n    " in files["README.txt"] for name in files if name != "README.txt")
    assert [row["slug"] for row in files["company/company.jsonl"]] == ["acme"]
    assert [(row["email"], row["role"]) for row in files["company/members.jsonl"]] == [
        (owner.email, "owner"), (viewer.email, "viewer"),
    ]  # fmt: skip
    (invitation,) = files["company/invitations.jsonl"]
    assert (invitation["email"], invitation["invited_by"], "digest" in invitation) == (
        "new@acme.test", owner.email, False,
    )  # fmt: skip
    assert [row["deed"] for row in files["company/history.jsonl"]] == ["asked for an export of"]
    assert files["company/erasures.jsonl"] == []


def test_nothing_of_another_company_is_in_it(tenant, owner, other_tenant, stranger):
    text = json.dumps(exported(tenant, owner))
    assert ("acme" in text, "other" in text, "stranger" in text) == (True, False, False)


def test_new_one_takes_the_place_of_the_one_before(tenant, owner):
    first = ask_for_export(tenant, by=owner)
    run()
    second = ask_for_export(tenant, by=owner)
    first.refresh_from_db()
    assert first.is_ready
    run()
    first.refresh_from_db()
    assert (first.state, first.reason) == (ExportState.EXPIRED, "A newer one took its place.")
    assert set(ExportPiece.objects.values_list("export_id", flat=True)) == {second.pk}


def test_file_is_deleted_when_its_time_is_over(tenant, owner):
    asked = ask_for_export(tenant, by=owner)
    run()
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    asked.refresh_from_db()
    assert not asked.is_ready
    run()
    asked.refresh_from_db()
    assert (asked.state, ExportPiece.objects.count()) == (ExportState.EXPIRED, 0)


# Made by several, one after the other.


def test_run_takes_one_step_at_least_and_the_next_goes_on(tenant, owner):
    asked = ask_for_export(tenant, by=owner)
    runs = 1
    while run(seconds=0):
        runs += 1
        asked.refresh_from_db()
        assert asked.state == ExportState.RUNNING
    asked.refresh_from_db()
    assert (asked.state, runs > 20) == (ExportState.READY, True)
    with zipfile.ZipFile(io.BytesIO(b"".join(file_of(asked)))) as file:
        assert file.testzip() is None


def test_rows_are_read_a_few_at_a_time(tenant, owner, monkeypatch):
    monkeypatch.setattr("tenants.exports.parts.ROWS_AT_ONCE", 2)
    for number in range(5):
        AuditEntry.objects.create(tenant=tenant, by_label="ada", deed="did", subject=f"{number}")
    files = exported(tenant, owner)
    assert [row["subject"] for row in files["company/history.jsonl"]] == ["0", "1", "2", "3", "4", "Acme"]
    done = Export.objects.get()
    assert (done.rows_done, done.rows_expected) == (8, 8)


@pytest.mark.parametrize("steps", [1, 2])
def test_part_that_an_update_takes_away_is_ended(tenant, owner, steps):
    """Before its end, in the middle of its rows or behind them."""

    def parts(**_kwargs):
        return [part_of("a/part", "For a while.", Tenant.objects.all(), "name", by="pk", groups=[tenant.pk])]

    exporting.connect(parts)
    try:
        asked = ask_for_export(tenant, by=owner)
        for _ in range(steps):
            run(seconds=0)
    finally:
        exporting.disconnect(parts)
    while run(seconds=0):
        pass
    with zipfile.ZipFile(io.BytesIO(b"".join(file_of(Export.objects.get(pk=asked.pk))))) as file:
        assert (file.testzip(), "a/part.jsonl" in file.namelist()) == (None, True)


@pytest.fixture
def broken():
    """An app that cannot say what it has."""

    def parts(**_kwargs):
        raise ZeroDivisionError

    exporting.connect(parts)
    yield
    exporting.disconnect(parts)


def test_one_that_fails_again_and_again_says_so_and_what_to_do(
    broken, tenant, owner, other_tenant, stranger, django_capture_on_commit_callbacks, caplog
):
    asked = ask_for_export(tenant, by=owner)
    for _ in range(MOST_TRIES):
        run()
        asked.refresh_from_db()
        assert asked.state == ExportState.RUNNING
    with django_capture_on_commit_callbacks(execute=True):
        assert run() == 0
    asked.refresh_from_db()
    assert (asked.state, ExportPiece.objects.count()) == (ExportState.FAILED, 0)
    assert asked.reason == (
        "It could not be made, 5 times in a row. Ask for a new one; if that fails too, write to "
        "support@headwater.example."
    )
    assert [told.subject for told in mail.outbox] == ["The data of Acme could not be exported"]
    assert [record.levelname for record in caplog.records] == ["ERROR"] * (MOST_TRIES + 1)
    ask_for_export(tenant, by=owner)


def test_workers_that_die_of_it_are_counted(tenant, owner):
    """Each begins, and is killed before its first step has ended."""
    asked = ask_for_export(tenant, by=owner)
    for _ in range(MOST_TRIES):
        assert begin(asked.pk) == tenant
    run()
    asked.refresh_from_db()
    assert asked.state == ExportState.FAILED


def test_step_that_succeeds_makes_up_for_all_that_failed(tenant, owner):
    asked = ask_for_export(tenant, by=owner)
    for _ in range(MOST_TRIES - 1):
        begin(asked.pk)
    run(seconds=0)
    asked.refresh_from_db()
    assert (asked.state, asked.tries) == (ExportState.RUNNING, 0)


@pytest.mark.django_db(transaction=True)
def test_step_that_breaks_off_leaves_nothing_and_is_taken_again(tenant, owner):
    asked = ask_for_export(tenant, by=owner)
    run(seconds=0)
    asked.refresh_from_db()
    with transaction.atomic():
        assert step(asked.pk, parts_of(tenant))
        transaction.set_rollback(True)
    before = (asked.pieces, asked.bytes, asked.place)
    asked.refresh_from_db()
    assert (asked.pieces, asked.bytes, asked.place) == before
    run()
    with zipfile.ZipFile(io.BytesIO(b"".join(file_of(Export.objects.get())))) as file:
        assert file.testzip() is None


@pytest.mark.django_db(transaction=True)
def test_who_finds_another_at_it_leaves_it_alone(tenant, owner):
    asked = ask_for_export(tenant, by=owner)
    left = []

    def other():
        try:
            left.append(run())
        finally:
            connections.close_all()

    with transaction.atomic():
        Export.objects.select_for_update().get()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(20)
    asked.refresh_from_db()
    assert (left, asked.state) == ([1], ExportState.WAITING)
    assert run() == 0


def test_many_share_a_run(tenant, owner, other_tenant, stranger):
    ask_for_export(tenant, by=owner)
    ask_for_export(other_tenant, by=stranger)
    run(seconds=0)
    assert list(Export.objects.values_list("state", flat=True)) == [ExportState.RUNNING] * 2


def test_run_with_nothing_to_do_takes_few_queries(db, django_assert_num_queries):
    with django_assert_num_queries(5):
        assert run() == 0


@pytest.mark.parametrize("change", [{"role": Role.ADMIN}, {"is_active": False}])
def test_who_is_no_owner_any_more_or_shut_out_gets_no_mail(tenant, owner, django_capture_on_commit_callbacks, change):
    ask_for_export(tenant, by=owner)
    (Membership if "role" in change else User).objects.update(**change)
    with django_capture_on_commit_callbacks(execute=True):
        run()
    assert (Export.objects.get().state, mail.outbox) == (ExportState.READY, [])
