"""Writing down what came of an attempt, and doing what follows from it: one transaction after the request.

`accepted` always wins, however late it comes and whoever has the lane by then. Every other move of a batch is made
only while the batch is open and this attempt is its latest.
"""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from delivery.batching import Parcel, new_batch
from delivery.choosing import close
from delivery.clock import ClockTimestamp, database_now
from delivery.enums import BatchState, Outcome
from delivery.lanes import lock_source
from delivery.models import Attempt, Batch, Lane
from delivery.outcomes import Answer
from delivery.retry import Action, Decision, History, decide
from integrations.models import Source
from integrations.queries import SendingCredentials

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt that was begun: what to record its answer with."""

    attempt_id: int
    parcel: Parcel
    credentials: SendingCredentials

    @property
    def logged(self) -> dict[str, int]:
        ids = {"source_id": self.credentials.source_id, "batch_id": self.parcel.batch.pk}
        return {**ids, "attempt_id": self.attempt_id}


def record(sent: Sent, answer: Answer) -> bool:
    """Record the answer; returns whether to go on with the lane at once.

    A source that was deleted meanwhile leaves nothing to record it on.
    """
    with transaction.atomic():
        # The order of locks: see the note in delivery/lanes.py.
        if lock_source(sent.credentials.source_id) is None:
            log.warning("The source was deleted while a request was under way.", extra=sent.logged)
            return False
        going = _accept(sent, answer) if answer.outcome == Outcome.ACCEPTED else _refuse(sent, answer)
    log.info("Attempt ended: %s, answer %s.", answer.outcome, answer.status_code, extra=sent.logged)
    return going


def _complete(sent: Sent, answer: Answer) -> None:
    Attempt.objects.filter(pk=sent.attempt_id).update(
        finished_at=ClockTimestamp(),
        outcome=answer.outcome,
        ambiguous=answer.ambiguous,
        status_code=answer.status_code,
        answer=answer.text,
        retry_after=answer.retry_after,
    )


ACCEPT: Final = """
WITH RECURSIVE family AS (
    SELECT id FROM delivery_batch WHERE id = %s
    UNION ALL SELECT half.id FROM delivery_batch AS half JOIN family ON half.parent_id = family.id
)
UPDATE delivery_batch SET state = 'accepted', reason = '', closed_at = clock_timestamp()
WHERE id IN (SELECT id FROM family) AND state IN ('open', 'set_aside', 'quarantined')
"""
# The halves too: a 200 that comes after the batch was split speaks for all of its events.


def _accept(sent: Sent, answer: Answer) -> bool:
    # The hold is not touched: it may be newer than this request.
    Lane.objects.filter(pk=sent.credentials.source_id).update(
        failures=0,
        lone_rejections=0,
        accepted_version=Greatest(F("accepted_version"), sent.credentials.version),
        last_accepted_at=ClockTimestamp(),
    )
    with connection.cursor() as cursor:
        cursor.execute(ACCEPT, [sent.parcel.batch.pk])
    _complete(sent, answer)
    # What was captured since the last batch was cut is seen by the turn's look after it has released the lane.
    return not sent.parcel.last


def _refuse(sent: Sent, answer: Answer) -> bool:
    now = database_now()
    lane = Lane.objects.select_for_update().get(pk=sent.credentials.source_id)
    batch = Batch.objects.select_for_update().get(pk=sent.parcel.batch.pk)
    _complete(sent, answer)
    if answer.ambiguous and batch.first_ambiguous_at is None:
        batch.first_ambiguous_at = Attempt.objects.values_list("started_at", flat=True).get(pk=sent.attempt_id)
        batch.ambiguous_region = sent.credentials.region
        batch.save(update_fields=["first_ambiguous_at", "ambiguous_region"])
    if batch.state != BatchState.OPEN or batch.attempts_made != sent.parcel.batch.attempts_made:
        return False
    batch.failing_since = batch.failing_since or now
    decision = decide(answer, _history(sent, batch, lane, now), random.random())  # noqa: S311  # jitter is no secret
    _limit_key(sent, decision)
    _apply(decision, sent.parcel, batch, lane, now)
    return not (decision.hold or decision.lane_delay)


def _history(sent: Sent, batch: Batch, lane: Lane, now: datetime) -> History:
    versions = Source.objects.filter(pk=sent.credentials.source_id).values_list("version", flat=True)
    return History(
        events=batch.event_count,
        tries=batch.tries,
        lane_failures=lane.failures,
        lone_rejections=lane.lone_rejections,
        current=versions.get() == sent.credentials.version,
        proven=lane.accepted_version == sent.credentials.version,
        failing_for=now - batch.failing_since if batch.failing_since else None,
        ambiguous_for=now - batch.first_ambiguous_at if batch.first_ambiguous_at else None,
    )


def _limit_key(sent: Sent, decision: Decision) -> None:
    """A 429 is about the key: every source that has it waits. A longer wait that is known already stays."""
    if not decision.key_delay:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delivery_ratehold AS hold (key_id, until)"
            " VALUES (%s, clock_timestamp() + make_interval(secs => %s))"
            " ON CONFLICT (key_id) DO UPDATE SET until = greatest(hold.until, excluded.until)",
            [sent.credentials.rate_key, decision.key_delay],
        )


def _apply(decision: Decision, parcel: Parcel, batch: Batch, lane: Lane, now: datetime) -> None:
    match decision.action:
        case Action.RETRY:
            batch.tries += decision.counts
            batch.not_before = now + timedelta(seconds=decision.batch_delay)
        case Action.HOLD:
            batch.failing_since = None  # the time that a customer takes is not a failure of the batch
            lane.hold, lane.hold_reason, lane.held_at = str(decision.hold), decision.reason, now
            log.warning("The lane is held: %s.", decision.hold, extra={"source_id": lane.pk, "batch_id": batch.pk})
        case Action.SPLIT:
            _split(batch, parcel.payloads)
            close(batch, BatchState.SPLIT, decision.reason)
        case Action.QUARANTINE:
            lane.lone_rejections += 1
            close(batch, BatchState.QUARANTINED, decision.reason)
        case Action.SET_ASIDE:
            close(batch, BatchState.SET_ASIDE, decision.reason)
    batch.save(update_fields=["tries", "not_before", "failing_since"])
    _slow_down(lane, decision, now)


def _slow_down(lane: Lane, decision: Decision, now: datetime) -> None:
    if decision.lane_delay:
        lane.failures += 1
        lane.not_before = now + timedelta(seconds=decision.lane_delay)
    lane.save(update_fields=["failures", "not_before", "lone_rejections", "hold", "hold_reason", "held_at"])


def _split(batch: Batch, payloads: list[str]) -> None:
    """Two batches of half the events each; they inherit what may already have reached Segment."""
    inherited: dict[str, Any] = {
        name: getattr(batch, name) for name in ("first_ambiguous_at", "ambiguous_region", "failing_since")
    }
    middle = len(payloads) // 2
    for ids, texts in ((batch.event_ids[:middle], payloads[:middle]), (batch.event_ids[middle:], payloads[middle:])):
        size = sum(len(text.encode()) for text in texts)
        new_batch(batch.source_id, batch.tenant_id, ids, size, parent=batch, **inherited)
