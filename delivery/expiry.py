"""Old events that are still owed: their tenant is warned twice, and then they expire, with the reason on their batch.

Owed is what is neither accepted nor discarded: pending events, and the batches that are open, set aside or quarantined.
A batch belongs to where its last event is, so it expires with its youngest one.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Q
from django.dispatch import Signal

from delivery.clock import ClockTimestamp
from delivery.discarding import discard
from delivery.lanes import lock_source
from delivery.models import RetentionWarning
from integrations.models import Source
from integrations.spec.limits import MAX_BATCH_EVENTS

log = logging.getLogger(__name__)

retention_warned = Signal()
"""A tenant is to hear of `warning` (RetentionWarning). Sent in the transaction that writes the row, once for each."""

FIRST_WARNINGS_APART: Final = timedelta(days=1)
"""Partitions may follow each other within minutes; a source's next first warning covers those of a day."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What a source owes of the events before an id, counted in events."""

    source_id: int
    tenant_id: int
    before_id: int
    waiting: int
    set_aside: int
    quarantined: int
    oldest_at: datetime | None

    @property
    def events(self) -> int:
        return self.waiting + self.set_aside + self.quarantined


OWED: Final = """
SELECT source.id, source.tenant_id, asked.before_id, (pending.count + batches.open)::bigint, batches.set_aside,
    batches.quarantined,
    (SELECT captured_at FROM delivery_event WHERE id = least(pending.first, batches.first))
FROM unnest(%(sources)s::bigint[], %(after)s::bigint[], %(before)s::bigint[]) AS asked (source_id, after_id, before_id)
JOIN integrations_source AS source ON source.id = asked.source_id
CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(event_id) AS first FROM delivery_pending
    WHERE source_id = source.id AND event_id >= asked.after_id AND event_id < asked.before_id
) AS pending
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count) FILTER (WHERE state = 'open'), 0)::bigint AS open,
        coalesce(sum(event_count) FILTER (WHERE state = 'set_aside'), 0)::bigint AS set_aside,
        coalesce(sum(event_count) FILTER (WHERE state = 'quarantined'), 0)::bigint AS quarantined,
        min(event_ids[1]) AS first
    FROM (
        SELECT state, event_count, event_ids FROM delivery_batch WHERE source_id = source.id AND state = 'open'
        UNION ALL
        SELECT state, event_count, event_ids FROM delivery_batch
        WHERE source_id = source.id AND state IN ('set_aside', 'quarantined') AND NOT again
    ) AS batch
    WHERE event_ids[cardinality(event_ids)] >= asked.after_id AND event_ids[cardinality(event_ids)] < asked.before_id
) AS batches
WHERE pending.count + batches.open + batches.set_aside + batches.quarantined > 0
ORDER BY source.id
"""
# Two arms, because each has a partial index of its own. What is given up again was accepted before.


def owed(asked: Iterable[tuple[int, int, int]]) -> list[Owed]:
    """Of sources, each asked as (source, first id, end); those that owe nothing are left out."""
    columns = [list(column) for column in zip(*asked, strict=True)]
    if not columns:
        return []
    with connection.cursor() as cursor:
        cursor.execute(OWED, dict(zip(("sources", "after", "before"), columns, strict=True)))
        return [Owed(*row) for row in cursor.fetchall()]


def unwarned(end_id: int, now: datetime) -> list[Owed]:
    """What comes to its end before that id and nobody was warned of yet."""
    first = Q(retention_warnings__number=1)
    sources = Source.objects.annotate(
        covered=Max("retention_warnings__before_id", filter=first),
        warned=Max("retention_warnings__warned_at", filter=first),
    ).values_list("pk", "covered", "warned")
    ready = [
        (source_id, covered or 0, end_id)
        for source_id, covered, warned in sources
        if (covered or 0) < end_id and (warned is None or now - warned >= FIRST_WARNINGS_APART)
    ]
    return owed(ready)


def warn(what: Owed, number: int, expires_at: datetime) -> bool:
    """Tell the tenant, once; returns whether this call did."""
    with transaction.atomic():
        warning, fresh = RetentionWarning.objects.get_or_create(
            source_id=what.source_id,
            before_id=what.before_id,
            number=number,
            defaults={
                "tenant_id": what.tenant_id, "waiting": what.waiting, "set_aside": what.set_aside,
                "quarantined": what.quarantined, "oldest_at": what.oldest_at, "expires_at": expires_at,
                "warned_at": ClockTimestamp(),
            },
        )  # fmt: skip
        if fresh:
            warning.refresh_from_db()
            retention_warned.send(sender=RetentionWarning, warning=warning)
    if fresh:
        log.warning("Warning %d: old events are not sent.", number, extra={"source_id": what.source_id})
    return fresh


def open_warnings(number: int, warned_before: datetime) -> Iterator[tuple[RetentionWarning, Owed | None]]:
    """Those that have not ended, each with what is still owed; of first ones, those that no second one follows."""
    found = RetentionWarning.objects.filter(number=number, ended_at=None, warned_at__lte=warned_before)
    for warning in found.order_by("pk"):
        if number == 1 and _series(warning).filter(number=2).exists():
            continue
        yield warning, left_of(warning)


def left_of(warning: RetentionWarning) -> Owed | None:
    return next(iter(owed([(warning.source_id, 0, warning.before_id)])), None)


def _series(warning: RetentionWarning) -> Any:
    return RetentionWarning.objects.filter(source_id=warning.source_id, before_id=warning.before_id)


def end(warning: RetentionWarning) -> None:
    _series(warning).filter(ended_at=None).update(ended_at=ClockTimestamp())


def expire(warning: RetentionWarning, until: float) -> int:
    """Discard what is owed before the warning's id, in chunks, as long as the time is before `until` (monotonic).

    Returns how many events. What a worker is sending just now is left for the next time.
    """
    reason = _reason(warning)
    expired = 0
    for step in (_discard_pending, _discard_open, _discard_given_up):
        while time.monotonic() < until and (some := step(warning, reason)):
            expired += some
    log.warning("%d events expired.", expired, extra={"source_id": warning.source_id})
    return expired


def _reason(warning: RetentionWarning) -> str:
    days = [f"{at:%Y-%m-%d}" for at in _series(warning).order_by("number").values_list("warned_at", flat=True)]
    return f"Expired after {settings.EVENT_RETENTION_DAYS} days without being accepted; warned on {' and '.join(days)}."


FREE_LANE: Final = """
SELECT leased_until IS NULL OR leased_until < clock_timestamp() FROM delivery_lane WHERE source_id = %s FOR UPDATE
"""


def lane_is_free(source_id: int) -> bool:
    """Keeps workers off the lane until the transaction ends. A lane that was never made is free."""
    with connection.cursor() as cursor:
        cursor.execute(FREE_LANE, [source_id])
        row = cursor.fetchone()
    return row is None or row[0]


TAKE: Final = """
DELETE FROM delivery_pending WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM delivery_pending WHERE source_id = %s AND event_id < %s ORDER BY event_id LIMIT %s
)) RETURNING event_id, bytes
"""


def _discard_pending(warning: RetentionWarning, reason: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        tenant_id = lock_source(warning.source_id)
        if tenant_id is None or not lane_is_free(warning.source_id):
            return 0
        cursor.execute(TAKE, [warning.source_id, warning.before_id, MAX_BATCH_EVENTS])
        rows = sorted(cursor.fetchall())
        if rows:
            discard(warning.source_id, tenant_id, rows, reason)
    return len(rows)


DISCARD: Final = """
UPDATE delivery_batch SET state = 'discarded', closed_at = clock_timestamp(), waiting_since = {since},
    reason = %(reason)s || CASE WHEN reason = '' THEN '' ELSE ' Before: ' || reason END
WHERE id = ANY(ARRAY(
    SELECT id FROM delivery_batch WHERE source_id = %(source)s AND event_ids[cardinality(event_ids)] < %(before)s
        AND {condition} ORDER BY id LIMIT 200 FOR UPDATE
)) RETURNING event_count
"""
DISCARD_OPEN: Final = DISCARD.format(condition="state = 'open'", since="waiting_since")
# They stopped waiting when they were given up, and a chart must not draw them as waiting until now.
DISCARD_GIVEN_UP: Final = DISCARD.format(
    condition="state IN ('set_aside', 'quarantined') AND NOT again", since="clock_timestamp()"
)


def _discard_open(warning: RetentionWarning, reason: str) -> int:
    with transaction.atomic():
        lock_source(warning.source_id)
        return _discard(DISCARD_OPEN, warning, reason) if lane_is_free(warning.source_id) else 0


def _discard_given_up(warning: RetentionWarning, reason: str) -> int:
    with transaction.atomic():
        lock_source(warning.source_id)
        return _discard(DISCARD_GIVEN_UP, warning, reason)


def _discard(statement: str, warning: RetentionWarning, reason: str) -> int:
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"reason": reason, "source": warning.source_id, "before": warning.before_id}
        cursor.execute(statement, values)
        return sum(count for (count,) in cursor.fetchall())
