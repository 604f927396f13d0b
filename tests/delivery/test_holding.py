import pytest
from django.db import connection

from delivery.admin_states import STATES
from delivery.batching import new_batch
from delivery.choosing import close
from delivery.enums import BatchState
from delivery.holding import BETWEEN, HOLDING, NEWEST, batches_between, batches_holding, holds, newest_batches
from delivery.models import Batch
from delivery.replayable import BATCHES, OF_RANGES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def made(source, ids, state=BatchState.OPEN, reason=""):
    batch = new_batch(source.pk, source.tenant_id, ids, 40, attempts_made=2)
    if state != BatchState.OPEN:
        close(batch, state, reason)
    return batch


def test_newest_batch_of_each_event_has_the_last_word(source):
    made(source, [1, 2, 3], BatchState.SPLIT)
    half = made(source, [1], BatchState.QUARANTINED, "Segment answered 400.")
    other = made(source, [2, 3])
    found = newest_batches(source.pk, [1, 2, 4])
    assert {event_id: batch.pk for event_id, batch in found.items()} == {1: half.pk, 2: other.pk}
    assert (found[1].state, found[1].reason, found[1].attempts_made) == ("quarantined", "Segment answered 400.", 2)


def test_newest_batches_are_of_one_source(source, other_source):
    made(other_source, [1])
    assert newest_batches(source.pk, [1]) == {}


def test_batches_holding_are_all_that_any_of_the_events_was_in(source, other_source):
    whole, half = made(source, [1, 2]), made(source, [2])
    made(source, [3])
    foreign = made(other_source, [1])
    asked = [(source.pk, 1), (source.pk, 2), (source.pk, 9), (other_source.pk, 1)]
    assert sorted(batches_holding(asked)) == [whole.pk, half.pk, foreign.pk]
    assert batches_holding([(other_source.pk, 2)]) == []


def test_batches_between_two_events_are_all_whose_line_meets_them(source, other_source):
    whole, half = made(source, [1, 2, 9], BatchState.SPLIT), made(source, [9])
    made(source, [10, 11])
    made(other_source, [3])
    found = batches_between(source.pk, 3, 9)
    assert found == [(whole.pk, "split", "", [1, 2, 9]), (half.pk, "open", "", [9])]


def test_nothing_is_asked_about_no_events(source, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert (newest_batches(source.pk, []), batches_holding([])) == ({}, [])


def plan(statement, values):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}", values)
        return "\n".join(line for (line,) in cursor.fetchall())


def test_every_way_to_ask_uses_the_index(source):
    batches = [
        Batch(
            source_id=source.pk, tenant_id=source.tenant_id, event_ids=[first, first + 9], event_count=2, bytes=9,
            waiting_since="2026-01-31T09:30Z", created_at="2026-01-31T09:30Z",
        )
        for first in range(1, 50_000, 10)
    ]  # fmt: skip
    Batch.objects.bulk_create(batches)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE delivery_batch")
    index = "batch_of_event"
    assert index in plan(NEWEST, {"source": source.pk, "events": [5, 500]})
    assert index in plan(HOLDING, {"sources": [source.pk] * 2, "events": [5, 500]})
    assert index in plan(BETWEEN, {"source": source.pk, "first": 5, "last": 500})
    assert index in Batch.objects.filter(holds(source.pk, 500)).order_by("pk").explain()
    values = {"source": source.pk, "region": "us", "firsts": [5], "lasts": [500], "events": list(range(5, 500))}
    assert index in plan(BATCHES.format(which=OF_RANGES), values)
    assert index in plan(STATES, {"sources": [source.pk] * 2, "events": [5, 500]})
