from uuid import uuid4

import pytest

from delivery import lanes
from delivery.batching import new_batch
from delivery.choosing import close
from delivery.enums import BatchState, Hold
from delivery.models import Event, Pending
from delivery.outbox import capture
from delivery.pages import events
from delivery.pages.events import Wanted, page_of
from integrations.services import pause_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


@pytest.fixture
def captured(source, call):
    def make(count=1, **changes):
        return [capture(source.tenant_id, {**call, "messageId": str(uuid4()), **changes}).event_ids[0]
                for _ in range(count)]  # fmt: skip

    return make


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(events, "PAGE", 2)
    monkeypatch.setattr(events, "LOOKED_AT", 4)
    monkeypatch.setattr(events, "ROUNDS", 2)


def cut(source, ids, state, reason="", **given):
    Pending.objects.filter(event_id__in=ids).delete()
    batch = new_batch(source.pk, source.tenant_id, ids, 40, **given)
    if state != BatchState.OPEN:
        close(batch, state, reason)


def ids_of(page):
    return [row.event.pk for row in page.rows]


def walk(source, wanted):
    """The ids of all pages, and how many pages there were."""
    found, before, pages = [], 0, 0
    while True:
        page = page_of(source, wanted, before)
        found += ids_of(page)
        before, pages = page.before, pages + 1
        if not before:
            return found, pages


def test_rows_tell_where_each_event_stands(source, captured):
    one, two, three, four, five = captured(5)
    cut(source, [one, two, three], BatchState.SPLIT)
    cut(source, [one], BatchState.QUARANTINED, "Segment answered 400.")
    cut(source, [two], BatchState.ACCEPTED)
    cut(source, [three], BatchState.OPEN, attempts_made=1)
    cut(source, [four], BatchState.OPEN)
    assert [(row.event.pk, row.state, row.label, row.reason) for row in page_of(source, Wanted()).rows] == [
        (five, "waiting", "Waiting", ""),
        (four, "waiting", "Waiting", ""),
        (three, "waiting", "Sending", ""),
        (two, "accepted", "Accepted", ""),
        (one, "quarantined", "Quarantined", "Segment answered 400."),
    ]


@pytest.mark.parametrize("stop", [pause_source, lambda source: lanes.hold(source.pk, Hold.KEY_REFUSED, "")])
def test_what_was_tried_waits_while_nothing_is_sent(source, captured, stop):
    cut(source, captured(1), BatchState.OPEN, attempts_made=1)
    assert [row.label for row in page_of(source, Wanted()).rows] == ["Sending"]
    stop(source)
    source.refresh_from_db()
    assert [row.label for row in page_of(source, Wanted()).rows] == ["Waiting"]


@pytest.mark.usefixtures("small")
def test_pages_hold_every_event_once_newest_first(source, captured):
    ids = captured(5)
    assert walk(source, Wanted()) == (ids[::-1], 3)


@pytest.mark.usefixtures("small")
def test_pages_of_a_person_hold_theirs(source, captured):
    captured(3, userId="u-2")
    ids = captured(3, userId="u-3")
    captured(3, userId="u-2")
    assert walk(source, Wanted(user="u-3"))[0] == ids[::-1]
    assert walk(source, Wanted(user="u-"))[0] == []


@pytest.mark.usefixtures("small")
def test_a_page_by_name_looks_at_so_many_events_and_says_where_to_look_on(source, captured):
    (old,) = captured(1, event="Email Bounced")
    captured(5)
    page = page_of(source, Wanted(name="bounced"))
    assert (page.rows, page.cut_short) == ([], True)
    assert walk(source, Wanted(name="bounced")) == ([old], 2)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("state", [BatchState.SET_ASIDE, BatchState.QUARANTINED, BatchState.OPEN])
def test_states_with_an_index_are_found_however_far_back(source, captured, state):
    wanted = Wanted(state="waiting" if state == BatchState.OPEN else state)
    old = captured(3)
    cut(source, old, state)
    cut(source, captured(9), BatchState.ACCEPTED)
    (lone,) = captured(1)
    cut(source, [lone], state)
    page = page_of(source, wanted)
    assert ids_of(page) == [lone, old[2]]
    assert walk(source, wanted)[0] == [lone, *old[::-1]]


@pytest.mark.usefixtures("small")
def test_given_up_ones_are_in_order_whatever_batches_they_are_in(source, captured):
    ids = captured(12)
    # What was sent again is in the newest batches, among events that were given up at the first time.
    for batch in (ids[0:3], ids[6:9], ids[10:12], ids[3:6:2], ids[4:10:5]):
        cut(source, batch, BatchState.SET_ASIDE)
    assert walk(source, Wanted(state="set_aside"))[0] == ids[::-1]
    assert walk(source, Wanted(state="set_aside", name="opened"))[0] == ids[::-1]


@pytest.mark.usefixtures("small")
def test_waiting_ones_are_those_in_no_batch_too(source, captured):
    old = captured(2)
    cut(source, old[:1], BatchState.OPEN)
    cut(source, captured(3), BatchState.ACCEPTED)
    assert walk(source, Wanted(state="waiting"))[0] == old[::-1]


@pytest.mark.usefixtures("small")
def test_accepted_ones_are_looked_for_in_rounds(source, captured):
    old = captured(3)
    cut(source, old, BatchState.ACCEPTED)
    captured(5)
    page = page_of(source, Wanted(state="accepted"))
    assert (page.rows, page.cut_short) == ([], True)
    assert walk(source, Wanted(state="accepted"))[0] == old[::-1]


@pytest.mark.usefixtures("small")
def test_state_and_name_go_together(source, captured):
    ids = captured(2, event="Email Bounced")
    cut(source, [*ids, *captured(2)], BatchState.SET_ASIDE)
    assert walk(source, Wanted(state="set_aside", name="BOUNCED"))[0] == ids[::-1]


def test_a_replayed_event_shows_as_its_newest_batch(source, captured):
    ids = captured(1)
    cut(source, ids, BatchState.REPLAYED)
    cut(source, ids, BatchState.ACCEPTED)
    assert [row.label for row in page_of(source, Wanted()).rows] == ["Accepted"]
    assert ids_of(page_of(source, Wanted(state="set_aside"))) == []


def test_a_page_shows_no_other_source(source, other_source, captured):
    captured(1)
    assert page_of(other_source, Wanted()).rows == []


def test_digest_changes_with_what_is_shown(source, captured):
    ids = captured(1)
    first = page_of(source, Wanted()).digest
    assert page_of(source, Wanted()).digest == first
    cut(source, ids, BatchState.ACCEPTED)
    accepted = page_of(source, Wanted()).digest
    captured(1)
    assert len({first, accepted, page_of(source, Wanted()).digest}) == 3


def test_findings_of_an_event(source, captured):
    captured(1, event="Link Clicked", properties={"linkUrl": "https://acme.test"})
    (row,) = page_of(source, Wanted()).rows
    assert len(row.findings) == 2
    Event.objects.update(payload="")
    (row,) = page_of(source, Wanted()).rows
    assert row.findings == []


@pytest.mark.parametrize("count", [1, 3])
def test_a_page_is_two_queries(source, captured, count, django_assert_num_queries):
    captured(count)
    with django_assert_num_queries(2):
        page_of(source, Wanted())
