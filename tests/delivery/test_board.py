"""The board of all sources by how they fare, and its page in the admin."""

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.board import BACKLOG_MINUTES, MOST_COUNTED, Place, board
from delivery.models import Batch, Event, Lane, Pending, Replay
from integrations.enums import SourceState
from integrations.models import Source, WriteKey
from tenants.models import Tenant, User
from tests.conftest import PASSWORD, WRITE_KEY, logged_in, make_source
from tests.delivery.test_admin import make_attempt, make_batch, make_event, text_of, wait
from tests.integrations.test_admin import queries_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

BOARD = "/admin/sources/"
LONG_AGO = timedelta(minutes=BACKLOG_MINUTES + 1)


@pytest.fixture
def source(source):
    """One whose test event was found in Segment."""
    source.confirmed_version = source.version
    source.save()
    return source


def lane(source, **fields):
    return Lane.objects.update_or_create(pk=source.pk, defaults=fields)[0]


def only_row():
    """Of the only source there is."""
    found = board()
    [row] = found.rows(found.at(None))
    return row


def put_in(source, state, **fields):
    Source.objects.filter(pk=source.pk).update(state=state, **fields)


def test_source_that_nothing_is_wrong_with_works(source):
    row = only_row()
    assert (row.place, row.reason, row.since, row.waiting) == (Place.WORKING, "Nothing was sent so far.", None, 0)
    lane(source, last_accepted_at=timezone.now())
    assert only_row().reason == "Events are accepted."


def test_source_is_unverified_since_its_key_was_saved(source):
    put_in(source, SourceState.CONNECTED, confirmed_version=0)
    row = only_row()
    assert (row.place, row.since) == (Place.UNVERIFIED, WriteKey.objects.get().saved_at)
    assert row.reason == "Nobody has found a test event of this key and region in Segment."


def test_held_source_tells_why_and_since_when(source):
    held = lane(source, hold="key_refused", held_at=timezone.now(), hold_reason="Paste a new one.", failures=3)
    wait(make_event(source, captured_at=timezone.now() - LONG_AGO))
    row = only_row()
    assert (row.place, row.since, row.waiting) == (Place.HELD, held.held_at, 1)
    assert row.reason == "Segment refuses the write key. Paste a new one."


def test_failing_source_tells_the_last_answer(source):
    lane(source, failures=2)
    began = timezone.now() - timedelta(minutes=1)
    batch = make_batch(source, [make_event(source)], failing_since=began)
    make_attempt(batch, 1, outcome="timeout")
    make_attempt(batch, 2, outcome="server_error", status_code=503)
    row = only_row()
    assert (row.place, row.since, row.waiting) == (Place.FAILING, began, 1)
    assert row.reason == "2 requests failed in a row, the last one: Segment's error (5xx) (503)."


def test_failure_whose_request_is_gone_is_told_without_it(source):
    lane(source, failures=1)
    wait(make_event(source))
    assert only_row().reason == "1 request failed in a row, the last one: not kept any more."


def test_failures_with_nothing_left_to_send_are_over(source):
    lane(source, failures=2)
    assert only_row().place is Place.WORKING


@pytest.mark.parametrize("is_batched", [True, False])
def test_backlog_is_what_waits_for_long(source, is_batched):
    young = make_event(source, captured_at=timezone.now())
    old = make_event(source, captured_at=timezone.now() - LONG_AGO)
    wait(young)
    assert only_row().place is Place.WORKING
    if is_batched:
        make_batch(source, [old], waiting_since=old.captured_at)
        Pending.objects.all().delete()
    else:
        Pending.objects.all().delete()
        wait(old)
    row = only_row()
    assert (row.place, row.since, row.oldest_at, row.waiting) == (Place.BACKLOG, old.captured_at, old.captured_at, 1)
    assert row.reason == "Events have been waiting for over 5 minutes; no request failed."


def test_old_events_that_are_sent_again_are_no_backlog(source):
    lane(source, last_accepted_at=timezone.now())
    event = make_event(source, captured_at=timezone.now() - timedelta(days=25))
    asked_for = Replay.objects.create(
        tenant=source.tenant, source=source, token="once", criteria={}, event_count=1, batch_count=1,
        accepted_before=1, may_arrive_twice=0, created_at=timezone.now(),
    )  # fmt: skip
    batch = make_batch(source, [event], replay=asked_for, waiting_since=timezone.now())
    row = only_row()
    assert (row.place, row.oldest_at, row.waiting) == (Place.WORKING, batch.waiting_since, 1)
    lane(source, failures=2)
    assert only_row().place is Place.FAILING
    lane(source, failures=0)
    Batch.objects.update(waiting_since=timezone.now() - LONG_AGO)
    assert only_row().place is Place.BACKLOG


@pytest.mark.parametrize(
    ("state", "place"),
    [("shadow", Place.SHADOW), ("paused", Place.PAUSED), ("disconnected", Place.DISCONNECTED)],
)
def test_what_the_customer_chose_comes_first(source, state, place):
    now = timezone.now()
    put_in(source, state, shadow_since=now if state == "shadow" else None, changed_at=now)
    lane(source, hold="staff", held_at=now, failures=4)
    wait(make_event(source, captured_at=now - LONG_AGO))
    row = only_row()
    assert (row.place, row.since, row.waiting) == (place, now, 1)


def test_waiting_is_counted_to_a_limit(source):
    Event.objects.all().delete()
    Pending.objects.bulk_create(Pending(source=source, event_id=number, bytes=1) for number in range(MOST_COUNTED + 9))
    assert only_row().waiting == MOST_COUNTED + 1


def test_board_is_in_the_order_of_need_and_counts_each_place(source, tenant):
    for number, state in enumerate(("paused", "disconnected", "paused")):
        put_in(make_source(tenant, WRITE_KEY, name=f"Source {number}"), state)
    held = make_source(tenant, WRITE_KEY, name="Held")
    lane(held, hold="staff", held_at=timezone.now())
    found = board()
    names = [row.source for row in found.rows(found.at(None))]
    assert names == ["Held", "Source 0", "Source 2", "Source 1", "Main"]
    assert {place: count for place, count in found.counts.items() if count} == {
        Place.HELD: 1,
        Place.PAUSED: 2,
        Place.DISCONNECTED: 1,
        Place.WORKING: 1,
    }
    assert found.at(Place.HELD) == [held.pk]


@pytest.mark.parametrize(("term", "found"), [("MAI", 2), ("acm", 1), ("Other", 1), ("%", 0), ("a_n", 0), ("\\", 0)])
def test_board_is_searched_by_source_and_tenant(source, other_source, term, found):
    assert len(board(term).places) == found


def test_page_shows_the_row_and_leads_to_source_and_tenant(staff_client, source):
    lane(source, hold="key_refused", held_at=timezone.now(), hold_reason="Paste a new one.")
    response = staff_client.get(BOARD)
    page = response.content.decode()
    [cells] = response.context["cards"][0]["table"]["rows"]
    assert [text_of(str(cell)) for cell in cells[:5]] == [
        "Main", "Acme", "US", "Held", "Segment refuses the write key. Paste a new one.",
    ]  # fmt: skip
    assert f"/admin/integrations/source/{source.pk}/change/" in page
    assert f"/admin/tenants/tenant/{source.tenant_id}/change/" in page
    assert WRITE_KEY not in page


def test_counts_are_links_to_the_sources_at_a_place(staff_client, source, other_source):
    lane(source, hold="staff", held_at=timezone.now())
    page = text_of(staff_client.get(BOARD).content.decode())
    assert "All 2 Held 1 Failing 0 Backlog 0 Unverified 1 Shadow 0 Paused 0 Disconnected 0 Working 0" in page
    held = staff_client.get(BOARD, {"state": "held"}).content.decode()
    assert (">Acme<" in held, ">Other<" in held) == (True, False)
    assert 'href="?q=acme&amp;state=held"' in staff_client.get(BOARD, {"q": "acme"}).content.decode()
    assert staff_client.get(BOARD, {"state": "nonsense"}).context["place"] is None


def test_page_takes_as_many_queries_for_many_and_shows_fifty(staff_client, tenant, source):
    one = queries_of(staff_client, BOARD)
    Source.objects.bulk_create(Source(tenant=tenant, name=f"Source {number}", region="us") for number in range(120))
    # A count of what waits for each of the fifty is part of the second query.
    assert queries_of(staff_client, BOARD) == one
    page = staff_client.get(BOARD, {"page": "3"})
    assert (len(page.context["cards"][0]["table"]["rows"]), "Page 3 of 3" in page.content.decode()) == (21, True)


def test_board_is_for_staff_who_may_see_sources(client, owner_client, source):
    assert [someone.get(BOARD).status_code for someone in (client, owner_client)] == [302, 302]
    clerk = User.objects.create_user("clerk@headwater.test", PASSWORD, is_staff=True)
    assert logged_in(clerk).get(BOARD).status_code == 403


def test_admin_leads_to_the_board(staff_client):
    page = staff_client.get("/admin/").content.decode()
    assert page.count(f'href="{BOARD}"') == 2


def test_nothing_there_is_told(staff_client):
    assert Tenant.objects.count() == Batch.objects.count() == 0
    assert "None yet." in staff_client.get(BOARD).content.decode()
