import threading

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delivery import lanes
from delivery.batching import cut, enough_after
from delivery.bodies import PAYLOAD_BYTES, body_bytes
from delivery.enums import BatchState
from delivery.models import Batch, Event, Lane, Pending
from delivery.outbox import capture, capture_many
from integrations.enums import SourceState
from integrations.models import Source
from integrations.spec.limits import MAX_BATCH_BYTES, MAX_BATCH_EVENTS
from tests.delivery.steps import sure

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


@pytest.fixture
def lease(source):
    return sure(lanes.lease(source.pk))


def wait_with(source, sizes):
    """Pending events whose payloads have these lengths; returns their ids."""
    rows = [
        Event(
            tenant_id=source.tenant_id, source=source, message_id="0b8f7d1e-6d0e-4a5e-9a43-0d6a1d7e2f11", type="track",
            name="", user_id="", payload='"' + "x" * (size - 2) + '"', bytes=size,
            occurred_at="2026-01-31T09:30Z", captured_at="2026-01-31T09:30Z",
        )
        for size in sizes
    ]  # fmt: skip
    events = Event.objects.bulk_create(rows)
    Pending.objects.bulk_create(Pending(source=source, event_id=event.pk, bytes=event.bytes) for event in events)
    return [event.pk for event in events]


def test_cut_moves_pending_events_into_an_open_batch(source, lease, call):
    ids = capture_many(source.tenant_id, [call] * 3).event_ids
    parcel = sure(cut(lease))
    assert parcel.batch == Batch.objects.get()
    assert (parcel.batch.event_ids, parcel.batch.event_count, parcel.batch.state) == (ids, 3, BatchState.OPEN)
    assert parcel.payloads == list(Event.objects.order_by("pk").values_list("payload", flat=True))
    assert parcel.batch.bytes == sum(len(payload) for payload in parcel.payloads)
    assert Pending.objects.count() == 0


def test_cut_takes_the_oldest_2_500(source, lease):
    ids = wait_with(source, [40] * (MAX_BATCH_EVENTS + 1))
    assert sure(cut(lease)).batch.event_ids == ids[:MAX_BATCH_EVENTS]
    assert sure(cut(lease)).batch.event_ids == ids[MAX_BATCH_EVENTS:]
    assert cut(lease) is None


def test_cut_fills_a_body_to_the_last_byte(source, lease):
    # Fifteen largest events, then what is left of the room with a comma before it.
    ids = wait_with(source, [*[32_000] * 15, PAYLOAD_BYTES - 15 * 32_001, 40])
    assert sure(cut(lease)).batch.event_ids == ids[:16]


def test_cut_leaves_the_event_that_is_one_byte_too_long(source, lease):
    ids = wait_with(source, [*[32_000] * 15, PAYLOAD_BYTES - 15 * 32_001 + 1, 40])
    assert sure(cut(lease)).batch.event_ids == ids[:15]
    assert sure(cut(lease)).batch.event_ids == ids[15:]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.integers(40, 1_000), st.integers(20_000, 32_000), st.sampled_from([32_000])), max_size=80))
def test_cut_never_makes_an_oversized_body_and_loses_nothing(source, lease, sizes):
    with transaction.atomic():
        ids = wait_with(source, sizes)
        sent = []
        while parcel := cut(lease):
            payload_bytes = sum(len(payload) for payload in parcel.payloads)
            assert body_bytes(payload_bytes, len(parcel.payloads)) <= MAX_BATCH_BYTES
            sent += parcel.batch.event_ids
        assert sent == ids
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("sizes", "last"),
    [
        ([40], True),
        ([32_000] * 14, True),
        ([32_000] * 15, False),
        ([40] * (MAX_BATCH_EVENTS - 1), True),
        ([40] * MAX_BATCH_EVENTS, False),
    ],
)
def test_cut_knows_when_nothing_else_can_have_been_waiting(source, lease, sizes, last):
    wait_with(source, sizes)
    assert sure(cut(lease)).last == last


def test_cut_looks_at_no_more_events_than_it_is_told_and_knows_that_others_may_wait(source, lease):
    ids = wait_with(source, [40] * 3)
    first = sure(cut(lease, 2))
    assert (first.batch.event_ids, first.last) == (ids[:2], False)
    second = sure(cut(lease, 2))
    assert (second.batch.event_ids, second.last) == (ids[2:], True)


def test_enough_for_the_next_batch_is_a_quarter_more_than_filled_the_last_one(source, lease):
    wait_with(source, [*[1_000] * 600, 40])
    full, rest = sure(cut(lease)).batch, sure(cut(lease)).batch
    assert (full.event_count, enough_after(full)) == (499, 624)
    assert (rest.event_count, enough_after(rest)) == (102, MAX_BATCH_EVENTS)


def test_cut_takes_only_its_own_source(source, other_source, lease, call):
    capture(other_source.tenant_id, call)
    assert cut(lease) is None
    assert Pending.objects.count() == 1


def test_cut_needs_the_lease(source, lease, call):
    capture(source.tenant_id, call)
    lanes.release(lease)
    assert cut(lease) is None
    assert Pending.objects.count() == 1


@pytest.mark.parametrize("state", [SourceState.PAUSED, SourceState.DISCONNECTED])
def test_cut_leaves_the_events_of_a_source_that_is_not_connected_any_more(source, lease, call, state):
    capture(source.tenant_id, call)
    Source.objects.update(state=state)
    assert cut(lease) is None
    assert Pending.objects.count() == 1


def test_cut_looks_behind_its_mark_again_when_it_finds_nothing(source, lease, call):
    capture(source.tenant_id, call)
    Lane.objects.update(mark=10**9, mark_reset_at="2999-01-01T00:00Z")
    assert cut(lease) is not None


def test_cut_forgets_a_mark_of_thirty_seconds(source, lease, call):
    first, second = (capture(source.tenant_id, call).event_ids[0] for _ in range(2))
    Lane.objects.update(mark=first, mark_reset_at="2026-01-01T00:00Z")
    assert sure(cut(lease)).batch.event_ids == [first, second]


@pytest.mark.django_db(transaction=True)
def test_cut_finds_an_event_committed_after_a_later_one(source, call):
    """Ids are drawn before the commit: a slow transaction's event appears behind the mark."""
    lease = sure(lanes.lease(source.pk))
    drawn, go_on = threading.Event(), threading.Event()
    slow_ids = []

    def slow():
        with transaction.atomic():
            slow_ids.extend(capture(source.tenant_id, call).event_ids)
            drawn.set()
            assert go_on.wait(20)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert drawn.wait(20)
    (later,) = capture(source.tenant_id, call).event_ids
    assert sure(cut(lease)).batch.event_ids == [later]
    assert Lane.objects.get().mark == later > slow_ids[0]
    go_on.set()
    thread.join()
    assert sure(cut(lease)).batch.event_ids == slow_ids


@pytest.mark.django_db(transaction=True)
def test_cut_by_two_at_once_gives_each_event_to_one(source, call):
    """Even two holders of one token, which cannot be, would be kept apart by the lane's row."""
    ids = capture_many(source.tenant_id, [call] * 200).event_ids
    lease = sure(lanes.lease(source.pk))
    start = threading.Barrier(2)
    cuts = []

    def run():
        start.wait(20)
        cuts.append(cut(lease))
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [parcel.batch.event_ids for parcel in cuts if parcel] == [ids]
