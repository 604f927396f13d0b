"""Cutting batches from the pending events of a lane."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from delivery.bodies import PAYLOAD_BYTES
from delivery.clock import ClockTimestamp
from delivery.lanes import Lease
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


CUT: Final = """
WITH source AS MATERIALIZED (
    SELECT id, tenant_id FROM integrations_source WHERE id = %(source)s AND state = 'connected' FOR SHARE
), lane AS MATERIALIZED (
    SELECT lane.source_id, source.tenant_id, CASE
            WHEN mark_reset_at > clock_timestamp() - make_interval(secs => %(mark_seconds)s) THEN mark ELSE 0
        END AS mark
    FROM source JOIN delivery_lane AS lane ON lane.source_id = source.id
    WHERE lane.lease_token = %(token)s AND lane.leased_until > clock_timestamp() FOR UPDATE OF lane
), next AS (
    SELECT place, sum(bytes + 1) OVER (ORDER BY event_id) - 1 AS body FROM (
        SELECT ctid AS place, event_id, bytes FROM delivery_pending
        WHERE source_id = %(source)s AND event_id > (SELECT mark FROM lane) ORDER BY event_id LIMIT %(count)s
    ) AS waiting
), taken AS (
    DELETE FROM delivery_pending WHERE ctid = ANY(ARRAY(SELECT place FROM next WHERE body <= %(bytes)s))
    RETURNING event_id, bytes
), content AS MATERIALIZED (
    SELECT array_agg(event_id ORDER BY event_id) AS event_ids, count(*) AS events, sum(bytes) AS bytes,
        min(event_id) AS first, max(event_id) AS last
    FROM taken
), batch AS (
    INSERT INTO delivery_batch (
        tenant_id, source_id, event_ids, event_count, bytes,
        state, reason, attempts_made, tries, crashes, ambiguous_region, waiting_since, created_at
    )
    SELECT tenant_id, source_id, event_ids, events, content.bytes,
        'open', '', 0, 0, 0, '', clock_timestamp(), clock_timestamp()
    FROM lane CROSS JOIN content WHERE events > 0 RETURNING id, created_at
), moved AS (
    UPDATE delivery_lane SET mark = coalesce(content.last, 0),
        mark_reset_at = CASE WHEN lane.mark = 0 THEN clock_timestamp() ELSE mark_reset_at END
    FROM lane CROSS JOIN content WHERE delivery_lane.source_id = lane.source_id
)
SELECT lane.mark, batch.id, batch.created_at, tenant_id, event_ids::text, bytes::int, first, last
FROM lane CROSS JOIN content LEFT JOIN batch ON true;

SET LOCAL synchronous_commit = off
"""
# The commit need not wait for the disk: see LEASE_LANES in delivery/lanes.py; BEGIN in delivery/sending.py knows
# whether the batch is still the one that was cut.
# One statement claims and writes the batch, in the order of locks that delivery/lanes.py tells: each round trip is
# time in which a full lane sends nothing. A comma follows each payload but the last, hence the one byte more and less.
# Since when its first event waits is read with the texts, and written with the first attempt (BEGIN).
# The rows are deleted by their place: offered a join, the planner reads all that is pending (65 ms for a cut among
# 200,000 rows, against 5). Nobody else deletes them meanwhile: the lane's row is locked.

THESE: Final = "id = ANY(ARRAY(SELECT unnest(%(ids)s::bigint[]))) AND id BETWEEN %(first)s AND %(last)s"
"""Events by their ids, touching only the partitions that hold them.

The bounds stand in the text of the statement, so the other partitions are not even planned: in the statement that
claims, they would be known too late, and cost 45 µs of planning each. The array is hidden from the planner, which would
look for the partition of each element.
"""

READ: Final = f"""
SELECT payload, CASE WHEN id = %(first)s THEN captured_at END FROM delivery_event WHERE {THESE} ORDER BY id
"""  # noqa: S608  # THESE, the constant above, is put in; ids are parameters


def cut(lease: Lease, at_most: int = MAX_BATCH_EVENTS) -> Parcel | None:
    """Move the oldest pending events that fit one request into a new batch. None when there are none, no lease, or the
    source is not connected: what comes while it is paused or in shadow stays pending.

    The lane's row stays locked meanwhile, so two workers never cut the same lane at once. `at_most` so many events are
    looked at: see `enough_after`.
    """
    values: dict[str, Any] = {
        "source": lease.source_id, "token": lease.token, "mark_seconds": MARK_SECONDS,
        "count": at_most, "bytes": PAYLOAD_BYTES,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(CUT, values)
        row = cursor.fetchone()
        if row and row[0] and row[1] is None:
            # An event with a smaller id may have been committed after the mark went past it. The mark is 0 now.
            cursor.execute(CUT, values)
            row = cursor.fetchone()
    if row is None or row[1] is None:
        return None
    _mark, batch_id, created_at, tenant_id, text, size, first, last = row
    event_ids = [int(each) for each in text[1:-1].split(",")]
    payloads, captured_at = _read(text, first, last)
    batch = Batch(
        pk=batch_id, source_id=lease.source_id, tenant_id=tenant_id, event_ids=event_ids,
        event_count=len(event_ids), bytes=size, waiting_since=captured_at or created_at, created_at=created_at,
    )  # fmt: skip
    return Parcel(batch, payloads, last=len(event_ids) < at_most and _has_room(batch))


def enough_after(batch: Batch) -> int:
    """So many events will most likely fill the lane's next batch. Looking at 2,500 for each takes 2 ms longer."""
    return MAX_BATCH_EVENTS if _has_room(batch) else min(MAX_BATCH_EVENTS, batch.event_count * 5 // 4 + 1)


def _has_room(batch: Batch) -> bool:
    """Whether one more event, however large, would have been put in."""
    return PAYLOAD_BYTES - batch.bytes - batch.event_count >= MAX_EVENT_BYTES


def new_batch(source_id: int, tenant_id: int, event_ids: Sequence[int], size: int, **inherited: Any) -> Batch:
    """Insert an open batch. `inherited` is what a half has from its whole."""
    batch = Batch(
        source_id=source_id, tenant_id=tenant_id, event_ids=list(event_ids), event_count=len(event_ids), bytes=size,
        **{"waiting_since": ClockTimestamp(), "created_at": ClockTimestamp(), **inherited},
    )  # fmt: skip
    batch.save(force_insert=True)
    return batch


def payloads_of(batch: Batch) -> tuple[list[str], datetime | None]:
    """The texts of the batch's events, in its order, fewer when some were erased; and when the first was captured."""
    return _read(batch.event_ids, min(batch.event_ids), max(batch.event_ids))


def _read(ids: str | list[int], first: int, last: int) -> tuple[list[str], datetime | None]:
    """The texts, and when the first event was captured, if it is there. `ids` may be as PostgreSQL writes an array."""
    with connection.cursor() as cursor:
        cursor.execute(READ, {"ids": ids, "first": first, "last": last})
        rows = cursor.fetchall()
    return [payload for payload, _ in rows], rows[0][1] if rows else None
