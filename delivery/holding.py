"""Which batches hold an event: an event knows of none, and a batch of thousands.

Note: the index. The ids of a batch go up, so a batch is a line from its first to its last event on the row of its
source, and the index `batch_of_event` (GiST) finds the lines through a point. It has one entry for a batch. One for
each event (GIN) had to be written again at each change of the batch's state: 3 to 5 ms of a full batch's 20.

Note: one event at a time. Asked for several at once, PostgreSQL leaves the index aside and compares each batch's array
with the whole list: 450 ms for the 50 events of a page among 20,000 batches, against 2. "+ 0" keeps it from walking a
source's batches, or all of them by id, for the same reason.
"""

from collections.abc import Sequence
from typing import Final

from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from delivery.models import Batch

LINE: Final = """
box(
    point(delivery_batch.source_id, delivery_batch.event_ids[1]),
    point(delivery_batch.source_id, delivery_batch.event_ids[cardinality(delivery_batch.event_ids)])
)
"""
"""The index's expression; delivery/migrations/0001_initial.py has it."""

HOLDS: Final = (
    LINE + "@> box(point({source}, {event}), point({source}, {event})) AND {event} = ANY(delivery_batch.event_ids)"
)

NEWEST: Final = f"""
SELECT event.id, batch.id, batch.state, batch.reason, batch.attempts_made
FROM unnest(%(events)s::bigint[]) AS event (id) CROSS JOIN LATERAL (
    SELECT id, state, reason, attempts_made FROM delivery_batch
    WHERE {HOLDS.format(source="%(source)s", event="event.id")} ORDER BY id + 0 DESC LIMIT 1
) AS batch
"""  # noqa: S608  # only constants of ours are put in; values are parameters

HOLDING: Final = f"""
SELECT DISTINCT delivery_batch.id FROM unnest(%(sources)s::bigint[], %(events)s::bigint[]) AS event (source_id, id)
JOIN delivery_batch ON {HOLDS.format(source="event.source_id", event="event.id")}
"""  # noqa: S608  # only constants of ours are put in; values are parameters

BETWEEN: Final = f"""
SELECT id, state, reason, event_ids FROM delivery_batch
WHERE {LINE} && box(point(%(source)s, %(first)s), point(%(source)s, %(last)s)) ORDER BY id + 0
"""  # noqa: S608  # only constants of ours are put in; values are parameters


def holds(source_id: int, event_id: int) -> RawSQL:
    """A condition for batches. Put no other one on the source beside it: see the note above."""
    where = HOLDS.format(source="%s", event="%s")
    return RawSQL(where, [source_id, event_id, source_id, event_id, event_id], output_field=BooleanField())  # noqa: S611  # a constant of ours; values are parameters


def newest_batches(source_id: int, event_ids: Sequence[int]) -> dict[int, Batch]:
    """By event, with state, reason and attempts only; events that wait to be put in one are left out. One query.

    A half comes after its whole, a replay after what it replays: the newest has the last word.
    """
    if not event_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, {"events": list(event_ids), "source": source_id})
        return {
            event_id: Batch(pk=batch_id, source_id=source_id, state=state, reason=reason, attempts_made=attempts)
            for event_id, batch_id, state, reason, attempts in cursor.fetchall()
        }


def batches_holding(events: Sequence[tuple[int, int]]) -> list[int]:
    """Every batch that one of the events, each with its source's id before its own, was ever put in: wholes, halves
    and replays. One query.
    """
    if not events:
        return []
    sources, event_ids = zip(*events, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(HOLDING, {"sources": list(sources), "events": list(event_ids)})
        return [batch_id for (batch_id,) in cursor.fetchall()]


def batches_between(source_id: int, first: int, last: int) -> list[tuple[int, str, str, list[int]]]:
    """Id, state, reason and events of every batch that may hold one of the source's events from `first` to `last`."""
    with connection.cursor() as cursor:
        cursor.execute(BETWEEN, {"source": source_id, "first": first, "last": last})
        found: list[tuple[int, str, str, list[int]]] = cursor.fetchall()
    return found
