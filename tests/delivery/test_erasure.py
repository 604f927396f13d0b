"""Persons, sources and companies that are erased, beside others that stay."""

import json
import threading
from datetime import datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections, transaction
from django.utils import timezone

from delivery import erasure, lanes
from delivery.erasure import erase_orphans, is_about, names_of, orphans
from delivery.models import Attempt, Batch, Event, MessageKey, Pending, Refusal
from delivery.outbox import capture, capture_many
from delivery.turn import take_turn
from integrations.deletion import delete_source
from integrations.enums import PropertyRule
from integrations.models import ApiKey, Person, Source, WriteKey
from integrations.spec.calls import identify, track
from tenants.closing import delete_tenant
from tenants.enums import ErasureKind, PersonField
from tenants.erasure import Progress, ask_for_person, digest_of, run
from tenants.errors import MemberError, TenantError
from tenants.models import AuditEntry, Erasure, Invitation, Membership, Tenant
from tenants.scoping import scope
from tenants.staff_pages import note_for_staff
from tests.conftest import WRITE_KEY, make_source

pytestmark = pytest.mark.usefixtures("everything")


def of(user_id, email=None, **fields):
    context = {"traits": {"email": email}} if email else None
    return track(event="Email Opened", user_id=user_id, context=context, **fields)


def users():
    return list(Event.objects.order_by("pk").values_list("user_id", flat=True))


def receipt():
    return Erasure.objects.get()


@pytest.mark.parametrize(
    ("field", "value", "left"),
    [
        (PersonField.USER, "u-1", ["u-2", "u-3"]),
        (PersonField.EMAIL, " ADA@customer.test", ["u-1", "u-3"]),
        (PersonField.USER, "u", ["u-1", "u-2", "u-3"]),
        (PersonField.ANONYMOUS, "u-1", ["u-1", "u-2", "u-3"]),
    ],
)
def test_events_of_the_person_go_and_no_others(tenant, source, owner, field, value, left):
    capture_many(tenant.pk, [of("u-1"), of("u-2", "Ada@customer.test"), of("u-3")])
    ask_for_person(tenant, field, value, by=owner)
    assert run() == 1
    assert users() == left
    assert Pending.objects.count() == len(left)


@pytest.mark.parametrize("asked", ["Ada@Customer.test", " ada@customer.test"])
def test_events_whose_address_a_rule_hashed_go_too(tenant, source, other_tenant, other_source, owner, asked):
    for each in (source, other_source):
        each.property_rules = {"email": PropertyRule.HASH}
        each.save()
        capture_many(each.tenant_id, [of("u-1", asked.strip()), of("u-2", "grace@customer.test")])
    ask_for_person(tenant, PersonField.EMAIL, asked, by=owner)
    run()
    assert list(Event.objects.filter(source=source).values_list("user_id", flat=True)) == ["u-2"]
    assert Event.objects.filter(source=other_source).count() == 2


def test_events_whose_id_a_rule_hashed_go_too(tenant, source, owner):
    source.property_rules = {"id": PropertyRule.HASH}
    source.save()
    capture_many(tenant.pk, [identify(user_id=f"u-{number}", traits={"id": f"c-{number}"}) for number in (1, 2)])
    capture(tenant.pk, {**identify(user_id="u-3", traits={"id": "c-1"}), "timestamp": "never"})
    ask_for_person(tenant, PersonField.USER, "c-1", by=owner)
    run()
    assert (users(), Refusal.objects.count()) == (["u-2"], 0)


def test_events_of_another_tenant_stay(tenant, source, other_tenant, other_source, owner):
    capture(tenant.pk, of("u-1"))
    capture(other_tenant.pk, of("u-1"))
    ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    run()
    assert list(Event.objects.values_list("source", flat=True)) == [other_source.pk]


def test_erased_events_are_not_sent(tenant, source, owner, segment):
    capture_many(tenant.pk, [of("u-1"), of("u-2")])
    ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    run()
    take_turn([source.pk])
    assert [call["userId"] for call in segment.events("us", WRITE_KEY)] == ["u-2"]


def test_batch_that_waits_for_its_retry_goes_on_without_the_person(tenant, source, owner, segment):
    segment.fault("us", "status", key=WRITE_KEY, status=503, count=1)
    capture_many(tenant.pk, [of("u-1"), of("u-2")])
    take_turn([source.pk])
    ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    run()
    lanes.start_afresh(source.pk)
    take_turn([source.pk])
    assert [call["userId"] for call in segment.events("us", WRITE_KEY)] == ["u-2"]


def test_lane_at_work_is_told_to_wait_and_nothing_is_erased_yet(tenant, source, owner):
    capture(tenant.pk, of("u-1"))
    lease = lanes.lease(source.pk)
    assert lease
    ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    assert run() == 0
    assert users() == ["u-1"]
    lanes.release(lease)
    assert lanes.lease(source.pk) is None
    assert run() == 1
    assert users() == []


def test_people_their_other_ids_dedupe_rows_and_refusals_go_too(tenant, source, owner):
    person = Person.objects.create(
        tenant=tenant,
        user_id="u-1",
        email="ada@customer.test",
        told_at="2026-01-01T00:00Z",
        seen_at="2026-01-01T00:00Z",
    )
    for kind, value in (("user", "u-1"), ("anonymous", "a-1")):
        person.keys.create(tenant=tenant, kind=kind, value=value)
    capture_many(tenant.pk, [track(event="Email Opened", anonymous_id="a-1"), of("u-2")])
    capture(tenant.pk, {**of("u-1"), "messageId": "mine"})
    capture(tenant.pk, {**of("u-1"), "event": ""})
    capture(tenant.pk, {**of("u-2"), "event": ""})
    ask_for_person(tenant, PersonField.EMAIL, "ada@customer.test", by=owner)
    run()
    assert users() == ["u-2"]
    assert (Person.objects.count(), MessageKey.objects.count()) == (0, 0)
    assert list(Refusal.objects.values_list("user_id", flat=True)) == ["u-2"]
    assert receipt().counts == {"people from Segment": 1, "dedupe rows": 1, "events": 2, "refused calls": 1}


def test_receipt_names_nobody(tenant, source, owner):
    ask_for_person(tenant, PersonField.EMAIL, "Ada@customer.test", by=owner)
    run()
    done = receipt()
    assert done.done_at is not None
    assert "ada" not in str(Erasure.objects.values().get()).lower()
    assert "ada" not in str(list(AuditEntry.objects.values())).lower()
    assert done.digest == digest_of("email", "ada@customer.test")


def test_work_is_done_in_chunks(tenant, source, owner, monkeypatch):
    monkeypatch.setattr(erasure, "CHUNK", 2)
    capture_many(tenant.pk, [of(f"u-{number % 2}") for number in range(9)])
    ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    run()
    assert users() == ["u-0"] * 5
    assert receipt().counts == {"events": 4}


class AnHourBehind(datetime):
    """A web process's clock."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("clock", [datetime, AnHourBehind])
def test_capture_that_commits_late_is_erased_in_another_pass(tenant, source, owner, clock, monkeypatch):
    captured, go = threading.Event(), threading.Event()

    def late():
        try:
            with transaction.atomic():
                capture(tenant.pk, of("u-1"))
                captured.set()
                assert go.wait(20)
        finally:
            connections.close_all()

    thread = threading.Thread(target=late)
    thread.start()
    assert captured.wait(20)
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "datetime", clock)
        ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    assert run() == 0
    go.set()
    thread.join(20)
    assert users() == ["u-1"]
    assert run() == 1
    assert users() == []


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (identify(user_id="u-1"), True),
        (track(event="Link Clicked", user_id="u-2", properties={"link_id": "u-1"}), False),
        (identify(user_id="u-2", traits={"email": "ADA@customer.test"}), True),
        (identify(user_id="u-2", traits={"email": " Ada@customer.test\t"}), True),
        (identify(user_id="u-2", traits={"email": "grada@customer.test"}), False),
        (identify(user_id=" u-1 "), False),
        (identify(user_id="ada@customer.test"), True),
        (identify(user_id="u-2", traits={"note": "ada@customer.test"}), False),
    ],
)
def test_call_is_about_whom_it_names_as_its_person(call, found):
    import orjson

    looked_for = [["user", "u-1"], ["email", "ada@customer.test"]]
    assert is_about(orjson.dumps(call).decode(), names_of(1, looked_for)) is found


def test_refused_calls_that_name_the_person_between_quotes_go_and_no_others(tenant, source, owner):
    for email in ("ada@customer.test", " Ada@customer.test", "ADA@customer.test\t", "grada@customer.test"):
        capture(tenant.pk, {**of("u-1", email), "event": ""})
    for user_id in (" ada@customer.test ", "u-2"):
        capture(tenant.pk, {**of(user_id), "event": ""})
    ask_for_person(tenant, PersonField.EMAIL, "ada@customer.test", by=owner)
    run()
    left = Refusal.objects.order_by("pk").values_list("excerpt", flat=True)
    assert [json.loads(each)["userId"] for each in left] == ["u-1", "u-2"]
    assert "grada@customer.test" in left[0]


def test_deleted_source_leaves_nothing(tenant, source, owner, segment):
    kept = make_source(tenant, "k" * 32, name="Kept")
    capture_many(tenant.pk, [of("u-1"), {**of("u-2"), "messageId": "mine"}])
    take_turn([source.pk])
    capture(tenant.pk, {**of("u-3"), "event": ""})
    capture(tenant.pk, of("u-4"))
    asked = delete_source(source, "Main", by=owner)
    assert (Source.objects.get(), WriteKey.objects.count(), Attempt.objects.count()) == (kept, 1, 0)
    assert run() == 1
    for model in (Event, Pending, MessageKey, Batch, Refusal):
        assert not model.objects.filter(source_id=source.pk).exists()
    assert Event.objects.filter(source=kept).count() == 3
    asked.refresh_from_db()
    assert asked.counts == {
        "requests": 1, "batches": 1, "refused calls": 1, "sources": 1, "events": 3, "dedupe rows": 1,
    }  # fmt: skip


def test_staffs_notes_of_a_source_and_a_company_go_with_them(tenant, source, other_source, owner, staff):
    for each in (source, tenant, other_source, other_source.tenant):
        note_for_staff(each, staff, "Hold: Asked by phone")
    delete_source(source, "Main", by=owner)
    assert noted() == ["Acme", "Main", "Other"]
    gone = make_source(tenant, "k" * 32, name="Gone")
    note_for_staff(gone, staff, "Hold: Asked by phone")
    with scope(tenant.pk):
        delete_tenant(tenant, "Acme", by=owner)
    run()
    assert noted() == ["Main", "Other"]


def noted():
    return sorted(LogEntry.objects.values_list("object_repr", flat=True))


def test_source_stays_when_another_name_is_typed(tenant, source, owner):
    with pytest.raises(TenantError):
        delete_source(source, "main", by=owner)
    assert (Source.objects.count(), Erasure.objects.count()) == (1, 0)


def test_deleted_company_leaves_a_receipt_and_nothing_else(tenant, source, owner, viewer, other_source):
    capture(tenant.pk, of("u-1"))
    capture(other_source.tenant_id, of("u-1"))
    Person.objects.create(tenant=tenant, user_id="u-1", told_at="2026-01-01T00:00Z", seen_at="2026-01-01T00:00Z")
    with scope(tenant.pk):
        asked = delete_tenant(tenant, "Acme", by=owner)
    assert not Membership.objects.filter(tenant=tenant).exists()
    assert not Source.objects.filter(tenant=tenant).exists()
    assert not ApiKey.objects.filter(tenant=tenant).exists()
    assert not Invitation.objects.filter(tenant=tenant).exists()
    assert run() == 1
    assert list(Tenant.objects.values_list("slug", flat=True)) == ["other"]
    assert (users(), Person.objects.count()) == (["u-1"], 0)
    asked.refresh_from_db()
    assert (asked.kind, asked.tenant_name, asked.by_label) == (ErasureKind.TENANT, "Acme", owner.email)
    assert asked.counts["events"] == 1
    assert asked.done_at is not None


def test_company_is_deleted_by_its_owners_only(tenant, owner, admin):
    with pytest.raises(MemberError):
        delete_tenant(tenant, "Acme", by=admin)
    with pytest.raises(TenantError):
        delete_tenant(tenant, "acme", by=owner)
    assert Membership.objects.filter(tenant=tenant).count() == 2


def test_what_a_cascade_left_behind_is_found_and_erased(tenant, source, other_source):
    capture(tenant.pk, {**of("u-1"), "messageId": "mine"})
    capture(other_source.tenant_id, {**of("u-2"), "messageId": "mine"})
    number = source.pk
    assert orphans() == []
    tenant.delete()
    assert orphans() == [number]
    assert erase_orphans() == 2
    assert (orphans(), users(), MessageKey.objects.count(), Pending.objects.count()) == ([], ["u-2"], 1, 1)


def test_run_with_nothing_asked_takes_one_query(db, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert run() == 0
    assert max(Progress) is Progress.BUSY
