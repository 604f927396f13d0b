"""Cutting batches from the pending events of a lane."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from delivery.bodies import PAYLOAD_BYTES
from delivery.clock import ClockTimestamp
from delivery.lanes import Lease, lock_source
from delivery.models import Batch
from integrations.spec.limits import MAX_BATCH_EVENTS, MAX_EVENT_BYTES

MARK_SECONDS: Final = 30
"""How long a late commit can hide behind the mark while newer events keep coming."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch with the texts of its events: what one request carries.

    `last`: when it was cut, nothing else was waiting. `suspected`: the worker died in its last attempt.
    """

    batch: Batch
    payloads: list[str]
    last: bool = False
    suspected: bool = False


LOCK_LANE: Final = """
SELECT CASE WHEN mark_reset_at > clock_timestamp() - make_interval(secs => %s) THEN mark ELSE 0 END FROM delivery_lane
WHERE source_id = %s AND lease_token = %s AND leased_until > clock_timestamp() FOR UPDATE
"""

TAKE: Final = """
WITH next AS (
    SELECT place, sum(bytes + 1) OVER (ORDER BY event_id) - 1 AS body FROM (
        SELECT ctid AS place, event_id, bytes FROM delivery_pending
        WHERE source_id = %(source)s AND event_id > %(mark)s ORDER BY event_id LIMIT %(count)s
    ) AS waiting
), taken AS (
    DELETE FROM delivery_pending WHERE ctid = ANY(ARRAY(SELECT place FROM next WHERE body <= %(bytes)s))
    RETURNING event_id
)
SELECT min(event_id) AS first, max(event_id) AS last, array_agg(event_id)::text AS ids FROM taken
"""
# One statement claims. A comma follows each payload but the last, hence the one byte more and less. The rows are
# deleted by their place: offered a join, the planner reads all that is pending (65 ms for a cut among 200,000 rows,
# against 5). Nobody else deletes them meanwhile: the lane's row is locked.

THESE: Final = "id = ANY(ARRAY(SELECT unnest(%(ids)s::bigint[]))) AND id BETWEEN %(first)s AND %(last)s"
"""Events by their ids, touching only the partitions that hold them.

The bounds stand in the text of the statement, so the other partitions are not even planned: in the statement that
claims, they would be known too late, and cost 45 µs of planning each. The array is hidden from the planner, which would
look for the partition of each element.
"""

READ: Final = f"SELECT id, bytes, payload FROM delivery_event WHERE {THESE} ORDER BY id"  # noqa: S608  # see THESE


def cut(lease: Lease) -> Parcel | None:
    """Move the oldest pending events that fit one request into a new batch. None when there are none, or no lease.

    The lane's row stays locked meanwhile, so two workers never cut the same lane at once.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        tenant_id = lock_source(lease.source_id)
        cursor.execute(LOCK_LANE, [MARK_SECONDS, lease.source_id, lease.token])
        lane = cursor.fetchone()
        if tenant_id is None or lane is None:
            return None
        return _cut(cursor, lease.source_id, tenant_id=tenant_id, mark=lane[0])


def _cut(cursor: Any, source_id: int, *, tenant_id: int, mark: int) -> Parcel | None:
    rows = _take(cursor, source_id, mark)
    fresh = mark == 0
    if not rows and not fresh:
        # An event with a smaller id may have been committed after the mark went past it.
        rows, fresh = _take(cursor, source_id, 0), True
    _set_mark(cursor, source_id, rows[-1][0] if rows else 0, fresh=fresh)
    if not rows:
        return None
    size = sum(size for _, size, _ in rows)
    batch = new_batch(source_id, tenant_id, [event_id for event_id, _, _ in rows], size)
    return Parcel(batch, [payload for _, _, payload in rows], last=_has_room(batch))


def _has_room(batch: Batch) -> bool:
    """Whether one more event, however large, would have been put in."""
    room = PAYLOAD_BYTES - batch.bytes - batch.event_count
    return batch.event_count < MAX_BATCH_EVENTS and room >= MAX_EVENT_BYTES


def _take(cursor: Any, source_id: int, mark: int) -> list[tuple[int, int, str]]:
    bounds = {"source": source_id, "mark": mark, "count": MAX_BATCH_EVENTS, "bytes": PAYLOAD_BYTES}
    cursor.execute(TAKE, bounds)
    first, last, ids = cursor.fetchone()
    if ids is None:
        return []
    cursor.execute(READ, {"first": first, "last": last, "ids": ids})
    rows: list[tuple[int, int, str]] = cursor.fetchall()
    return rows


def _set_mark(cursor: Any, source_id: int, mark: int, *, fresh: bool) -> None:
    """`fresh`: this cut looked from the beginning, so the mark's age counts from now."""
    cursor.execute(
        "UPDATE delivery_lane SET mark = %s,"
        " mark_reset_at = CASE WHEN %s THEN clock_timestamp() ELSE mark_reset_at END WHERE source_id = %s",
        [mark, fresh, source_id],
    )


def new_batch(source_id: int, tenant_id: int, event_ids: Sequence[int], size: int, **inherited: Any) -> Batch:
    """Insert an open batch. `inherited` is what a half has from its whole."""
    batch = Batch(
        source_id=source_id, tenant_id=tenant_id, event_ids=list(event_ids), event_count=len(event_ids), bytes=size,
        created_at=ClockTimestamp(), **inherited,
    )  # fmt: skip
    batch.save(force_insert=True)
    return batch


def payloads_of(batch: Batch) -> list[str]:
    """The texts of the batch's events, in its order; fewer when some were erased."""
    ids = batch.event_ids
    with connection.cursor() as cursor:
        cursor.execute(READ, {"first": min(ids), "last": max(ids), "ids": ids})
        return [payload for _, _, payload in cursor.fetchall()]
