import io
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.enums import ExportState, PersonField
from tenants.erasure import ask_for_person
from tenants.exports.making import run
from tenants.exports.models import Export, ExportPiece
from tenants.exports.services import ask_for_export, file_of
from tenants.models import AuditEntry
from tenants.scoping import every_tenant

PRIVACY, EXPORT, STATE = "/t/acme/privacy/", "/t/acme/privacy/export/", "/t/acme/privacy/export/state/"


@pytest.fixture
def asked(tenant, owner):
    with every_tenant():
        return ask_for_export(tenant, by=owner)


@pytest.fixture
def ready(asked):
    run()
    asked.refresh_from_db()
    return asked


def address(export):
    return f"{EXPORT}{export.token}/"


def count():
    with every_tenant():
        return Export.objects.count()


def change(**values):
    with every_tenant():
        Export.objects.update(**values)


def deeds():
    with every_tenant():
        return list(AuditEntry.objects.order_by("pk").values_list("by_label", "deed"))


@pytest.mark.parametrize("who", ["viewer", "admin", "stranger"])
def test_nobody_but_an_owner_asks_looks_or_downloads(request, ready, who):
    client = request.getfixturevalue(f"{who}_client")
    refused = 404 if who == "stranger" else 403
    before = deeds()
    assert [client.get(path).status_code for path in (EXPORT, STATE, address(ready))] == [refused] * 3
    assert client.post(EXPORT).status_code == refused
    assert deeds() == before
    if who == "admin":
        assert "Export all data" not in client.get(PRIVACY).content.decode()


def test_visitor_is_sent_to_the_log_in_and_back_to_the_file(client, ready):
    assert client.get(address(ready))["Location"] == f"/accounts/login/?next={address(ready)}"


def test_owner_of_another_company_gets_it_by_no_address(stranger_client, other_tenant, ready):
    assert stranger_client.get(address(ready).replace("/acme/", "/other/")).status_code == 404


def test_owner_asks_and_reads_how_far_it_is(owner_client, owner, tenant):
    assert "No write key, API key or password is in it." in owner_client.get(EXPORT).content.decode()
    assert count() == 0
    response = owner_client.post(EXPORT, follow=True)
    page = response.content.decode()
    assert response.redirect_chain == [(PRIVACY, 302)]
    assert ("It begins within a minute." in page, f'hx-get="{STATE}"' in page, "htmx.min.js" in page) == (True,) * 3
    assert 'value="0"' in page
    run(seconds=0)
    change(rows_done=412_000, rows_expected=1_000_000)
    page = owner_client.get(STATE).content.decode()
    assert ("412,000 of about 1,000,000 rows" in page, 'value="41"' in page) == (True, True)
    assert page.strip().startswith("<section")
    run()
    assert "Download" in owner_client.get(STATE).content.decode()


def test_second_form_asks_for_no_second_one(owner_client, asked):
    assert "being made already" in owner_client.post(EXPORT, follow=True).content.decode()
    assert count() == 1


def test_owner_downloads_the_file_and_the_history_says_who(owner_client, owner, ready):
    response = owner_client.get(address(ready))
    file = b"".join(response.streaming_content)
    assert response.status_code == 200
    assert {name: response[name] for name in ("Content-Type", "Content-Length", "X-Content-Type-Options")} == {
        "Content-Type": "application/zip",
        "Content-Length": str(len(file)),
        "X-Content-Type-Options": "nosniff",
    }
    assert response["Content-Disposition"] == f'attachment; filename="acme-{ready.asked_at:%Y-%m-%d}.zip"'
    assert response["Cache-Control"] == "private, no-store"
    assert zipfile.ZipFile(io.BytesIO(file)).testzip() is None
    assert deeds()[-1] == (owner.email, "downloaded the export that")


@pytest.fixture
def in_pieces(ready):
    """The same file in three rows."""
    with every_tenant():
        file = b"".join(file_of(ready))
        ExportPiece.objects.filter(export=ready).delete()
        for number, data in enumerate((file[:10], file[10:15], file[15:])):
            ExportPiece(export=ready, number=number, data=data).save(force_insert=True)
    change(pieces=3)
    return file


@pytest.mark.parametrize("start", [0, 1, 9, 10, 12, 15, 40])
def test_download_that_broke_off_goes_on(owner_client, ready, in_pieces, start):
    etag = owner_client.get(address(ready))["ETag"]
    response = owner_client.get(address(ready), headers={"range": f"bytes={start}-", "if-range": etag})
    assert response.status_code == 206
    assert b"".join(response.streaming_content) == in_pieces[start:]
    assert response["Content-Length"] == str(len(in_pieces) - start)
    assert response["Content-Range"] == f"bytes {start}-{len(in_pieces) - 1}/{len(in_pieces)}"
    assert [deed for _by, deed in deeds()].count("downloaded the export that") == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"range": "bytes=0-4"},
        {"range": "bytes=-5"},
        {"range": "rows=1-"},
        {"range": "bytes=3-", "if-range": '"another"'},
    ],
)
def test_what_is_no_resumption_of_this_file_gets_the_whole(owner_client, ready, in_pieces, headers):
    response = owner_client.get(address(ready), headers=headers)
    assert (response.status_code, b"".join(response.streaming_content)) == (200, in_pieces)


def test_nothing_is_left_to_go_on_with_at_the_end(owner_client, ready, in_pieces):
    before = deeds()
    response = owner_client.get(address(ready), headers={"range": f"bytes={len(in_pieces)}-"})
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{len(in_pieces)}")
    assert deeds() == before


@pytest.mark.parametrize("token", ["wrong", "00000000000000000000000000000000.wrong"])
def test_address_that_nobody_made_is_no_page(owner_client, tenant, token):
    assert owner_client.get(f"{EXPORT}{token}/").status_code == 404


@pytest.mark.parametrize(
    "late", [{"expires_at": timezone.now() - timedelta(seconds=1)}, {"state": ExportState.EXPIRED}]
)
def test_address_of_a_deleted_file_leads_to_the_page_that_makes_a_new_one(owner_client, ready, late):
    change(**late)
    before = deeds()
    response = owner_client.get(address(ready), follow=True)
    assert response.redirect_chain == [(PRIVACY, 302)]
    page = response.content.decode()
    assert ("The file is deleted." in page, "Download" in page) == (True, False)
    assert deeds() == before


def test_file_that_is_deleted_while_it_is_read_breaks_off(ready):
    pieces = file_of(ready)
    assert next(pieces)
    with every_tenant():
        ExportPiece.objects.all().delete()
    with pytest.raises(ExportPiece.DoesNotExist):
        next(pieces)


def test_page_says_why_a_file_is_gone(owner_client, owner, tenant, ready):
    with every_tenant():
        ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    assert "Something was erased after it was made" in owner_client.get(PRIVACY).content.decode()


def test_page_says_what_to_do_after_a_failure(owner_client, asked):
    change(state=ExportState.FAILED, reason="It could not be made.")
    page = owner_client.get(PRIVACY).content.decode()
    assert ("It could not be made." in page, f'href="{EXPORT}"' in page) == (True, True)


def test_page_says_when_nothing_goes_on(owner_client, asked):
    change(moved_at=timezone.now() - timedelta(minutes=6))
    assert "Nothing has happened since" in owner_client.get(PRIVACY).content.decode()


def test_part_of_the_page_takes_few_queries(owner_client, ready, django_assert_num_queries):
    owner_client.get(STATE)
    with django_assert_num_queries(4):
        owner_client.get(STATE)
