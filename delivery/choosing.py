"""What a lane sends next: a batch that is due again, else a new one."""

from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Min, Q

from delivery import lanes
from delivery.batching import Parcel, cut, payloads_of
from delivery.clock import ClockTimestamp, database_now
from delivery.enums import BatchState
from delivery.lanes import Lease
from delivery.models import Batch
from delivery.retry import EVENTS_GONE, REGION_SWITCHED, History, given_up
from integrations.enums import Region

OPEN_BATCHES: Final = 8
"""A lane opens no more at once: in an outage its events wait as pending ones, not as batches that all failed."""


def next_parcel(lease: Lease, region: Region) -> Parcel | None:
    """None when there is nothing to send now. Batches that may not be sent again are set aside on the way."""
    while (batch := _due(lease.source_id)) is not None:
        reason = _settle(batch, region)
        payloads = [] if reason else payloads_of(batch)
        if payloads:
            return Parcel(batch, payloads)
        close(batch, BatchState.SET_ASIDE if reason else BatchState.DISCARDED, reason or EVENTS_GONE)
    return cut(lease) if _may_open(lease.source_id) else None


def close(batch: Batch, state: BatchState, reason: str) -> bool:
    """End an open batch, unless its state or its number of attempts is no longer what `batch` says."""
    unchanged = Batch.objects.filter(pk=batch.pk, state=BatchState.OPEN, attempts_made=batch.attempts_made)
    return unchanged.update(state=state, reason=reason, closed_at=ClockTimestamp()) == 1


def _due(source_id: int) -> Batch | None:
    waiting = Batch.objects.filter(source_id=source_id, state=BatchState.OPEN)
    return waiting.filter(Q(not_before=None) | Q(not_before__lte=ClockTimestamp())).order_by("pk").first()


SETTLE: Final = """
UPDATE delivery_batch SET first_ambiguous_at = coalesce(first_ambiguous_at, unclear.since),
    ambiguous_region = coalesce(nullif(ambiguous_region, ''), unclear.region)
FROM (
    SELECT min(started_at) AS since, min(region) AS region FROM delivery_attempt WHERE batch_id = %s AND ambiguous
) AS unclear
WHERE id = %s AND unclear.since IS NOT NULL
RETURNING first_ambiguous_at, ambiguous_region
"""
# Attempts whose worker died never wrote to the batch; they may have arrived all the same.


def _settle(batch: Batch, region: Region) -> str:
    """Read what is known of the batch's attempts into it. Returns why it may not be sent any more, or nothing."""
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, [batch.pk, batch.pk])
        if row := cursor.fetchone():
            batch.first_ambiguous_at, batch.ambiguous_region = row
    if batch.first_ambiguous_at is None:
        return ""
    if batch.ambiguous_region != region:
        return REGION_SWITCHED
    return given_up(History(ambiguous_for=database_now() - batch.first_ambiguous_at))


def _may_open(source_id: int) -> bool:
    """Whether there is room for another batch. If not, the lane waits for the first of those that are open."""
    waiting = Batch.objects.filter(source_id=source_id, state=BatchState.OPEN)
    if waiting.count() < OPEN_BATCHES:
        return True
    with transaction.atomic():
        # A new key lets batches and lane go at once; without the lock, this could put back a wait that it took away.
        lanes.lock_source(source_id)
        first = waiting.aggregate(first=Min("not_before"))["first"] or database_now()
        lanes.wait(source_id, max(first - database_now(), timedelta(milliseconds=100)).total_seconds())
    return False
