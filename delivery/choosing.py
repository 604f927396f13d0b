"""What a lane sends next: a batch that is due again, else a new one."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet, Value

from delivery import lanes
from delivery.batching import Parcel, cut, payloads_of
from delivery.clock import ClockTimestamp, database_now
from delivery.enums import BatchState, Outcome
from delivery.lanes import Lease
from delivery.models import Attempt, Batch
from delivery.retry import CRASHED, EVENTS_GONE, REGION_SWITCHED, History, given_up
from integrations.enums import Region
from integrations.spec.limits import MAX_BATCH_EVENTS

OPEN_BATCHES: Final = 8
"""A lane opens no more at once: in an outage its events wait as pending ones, not as batches that all failed."""

CRASHES: Final = 3
"""So many workers may die in a batch's request, sent alone, before it is set aside."""


def next_parcel(
    lease: Lease,
    region: Region,
    in_flight: Collection[int] = (),
    *,
    clear: bool = False,
    at_most: int = MAX_BATCH_EVENTS,
) -> Parcel | None:
    """None when there is nothing to send now besides the batches that are in flight.

    `clear`: the lane is known to have no other open batches. `at_most`: events that a cut looks at. Batches
    that may not be sent again are set aside on the way.
    """
    if clear:
        return cut(lease, at_most)
    while (found := _due(lease, in_flight)) is not None:
        batch, suspected, rejected = found
        if rejected and _open(lease.source_id).count() < OPEN_BATCHES and (parcel := cut(lease, at_most)):
            return parcel
        reason = _settle(batch, region) or (CRASHED if batch.crashes >= CRASHES else "")
        payloads = [] if reason else _texts(batch)
        if payloads:
            return Parcel(batch, payloads, suspected=suspected)
        close(batch, BatchState.SET_ASIDE if reason else BatchState.DISCARDED, reason or EVENTS_GONE)
    return cut(lease, at_most) if _may_open(lease.source_id, in_flight) else None


def _texts(batch: Batch) -> list[str]:
    """Those of its events. A batch that was cut and never begun learns from them since when it waits, as in `cut`."""
    payloads, captured_at = payloads_of(batch)
    if captured_at and not (batch.attempts_made or batch.parent_id or batch.replay_id):
        batch.waiting_since = min(batch.waiting_since, captured_at)
    return payloads


def is_clear(source_id: int, in_flight: Collection[int]) -> bool:
    """Whether the lane has no open batch but those in flight."""
    return not _open(source_id).exclude(pk__in=list(in_flight)).exists()


def close(batch: Batch, state: BatchState, reason: str) -> bool:
    """End an open batch, unless its state or its number of attempts is no longer what `batch` says."""
    unchanged = Batch.objects.filter(pk=batch.pk, state=BatchState.OPEN, attempts_made=batch.attempts_made)
    return unchanged.update(state=state, reason=reason, closed_at=ClockTimestamp()) == 1


def _open(source_id: int) -> QuerySet[Batch]:
    return Batch.objects.filter(source_id=source_id, state=BatchState.OPEN)


def _due(lease: Lease, in_flight: Collection[int]) -> tuple[Batch, bool, bool] | None:
    """The oldest batch that may be sent now, whether the worker of its last attempt died, and whether it was rejected
    before the key's first 200: then any other comes first, because that may tell that the key is good.

    Whoever begins an attempt records its end before the lane goes to another, unless it dies.
    """
    last = Attempt.objects.filter(batch=OuterRef("pk"), number=OuterRef("attempts_made"))
    due = _open(lease.source_id).exclude(pk__in=list(in_flight))
    due = due.filter(Q(not_before=None) | Q(not_before__lte=ClockTimestamp()))
    rejected = Value(False) if lease.proven else Exists(last.filter(outcome=Outcome.REJECTED))
    due = due.annotate(unfinished=Exists(last.filter(finished_at=None)), rejected=rejected)
    batch = due.order_by("pk").first() if lease.proven else due.order_by("rejected", "pk").first()
    return (batch, batch.unfinished, batch.rejected) if batch else None


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


def _may_open(source_id: int, in_flight: Collection[int]) -> bool:
    """Whether there is room for another batch. If not, and none is in flight, the lane waits for the first of them."""
    waiting = _open(source_id)
    room = waiting.count() < OPEN_BATCHES
    if room or in_flight:
        return room
    with transaction.atomic():
        # A new key lets batches and lane go at once; without the lock, this could put back a wait that it took away.
        lanes.lock_source(source_id)
        first = waiting.aggregate(first=Min("not_before"))["first"] or database_now()
        lanes.wait(source_id, max(first - database_now(), timedelta(milliseconds=100)).total_seconds())
    return False
