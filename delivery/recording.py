"""Writing down what came of an attempt, and doing what follows from it: one transaction after the request.

`accepted` always wins, however late it comes and whoever has the lane by then. Every other move of a batch is made
only while the batch is open and this attempt is its latest.
"""

import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from delivery import breaker
from delivery.batching import new_batch
from delivery.choosing import close
from delivery.clock import ClockTimestamp, database_now
from delivery.enums import BatchState, Outcome
from delivery.lanes import lock_source
from delivery.models import Attempt, Batch, Event, Lane
from delivery.outcomes import Answer
from delivery.retry import Action, Decision, History, decide
from integrations.models import Source
from integrations.queries import SendingCredentials

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt that was begun: what to record its answer with. `number` is the attempt's.

    It holds no payload: eight of a lane are kept while their requests run.
    """

    attempt_id: int
    batch: Batch
    credentials: SendingCredentials

    @property
    def number(self) -> int:
        return self.batch.attempts_made

    @property
    def logged(self) -> dict[str, int]:
        ids = {"source_id": self.credentials.source_id, "batch_id": self.batch.pk}
        return {**ids, "attempt_id": self.attempt_id}


def record(sent: Sent, answer: Answer, *, echo: bool = False) -> bool:
    """Record the answer; returns whether to go on with the lane at once.

    `echo`: another request of the lane, in flight at the same time, has failed before: together they are one failure.
    A source that was deleted meanwhile leaves nothing to record it on.
    """
    if answer.outcome == Outcome.ACCEPTED:
        accept([(sent, answer)])
        return True
    with transaction.atomic():
        # The order of locks: see the note in delivery/lanes.py.
        there = lock_source(sent.credentials.source_id) is not None
        going = there and _refuse(sent, answer, echo=echo)
    _tell(sent, answer, there=there)
    return going


def accept(accepted: Sequence[tuple[Sent, Answer]]) -> None:
    """Record 200s, of any number of lanes, in one transaction: that of a message with several statements."""
    sources, versions, batches = _columns(
        (s.credentials.source_id, s.credentials.version, s.batch.pk) for s, _ in accepted
    )
    attempts, codes, texts = _columns((s.attempt_id, a.status_code, a.text) for s, a in accepted)
    values = {
        "sources": sources, "versions": versions, "batches": batches,
        "attempts": attempts, "codes": codes, "texts": texts,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(ACCEPT, values)
        there = {source_id for (source_id,) in cursor.fetchall()}
    for sent, answer in accepted:
        _tell(sent, answer, there=sent.credentials.source_id in there)


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _tell(sent: Sent, answer: Answer, *, there: bool) -> None:
    log.info("Attempt ended: %s, answer %s.", answer.outcome, answer.status_code, extra=sent.logged)
    breaker.answered(sent.credentials.region, sent.credentials.source_id, answer)
    if not there:
        log.warning("The source was deleted while a request was under way.", extra=sent.logged)


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
SELECT id FROM integrations_source WHERE id = ANY(%(sources)s) ORDER BY id FOR SHARE;

WITH accepted AS (
    SELECT source_id, max(version) AS version FROM unnest(%(sources)s::bigint[], %(versions)s::int[])
        AS t (source_id, version) GROUP BY 1
), locked AS MATERIALIZED (
    SELECT source_id, version FROM delivery_lane JOIN accepted USING (source_id)
    ORDER BY source_id FOR NO KEY UPDATE OF delivery_lane
)
UPDATE delivery_lane AS lane SET failures = 0, rejections = 0, last_accepted_at = clock_timestamp(),
    accepted_version = greatest(accepted_version, version)
FROM locked WHERE lane.source_id = locked.source_id;

WITH RECURSIVE family AS (
    SELECT id FROM delivery_batch WHERE id = ANY(%(batches)s)
    UNION ALL SELECT half.id FROM delivery_batch AS half JOIN family ON half.parent_id = family.id
)
UPDATE delivery_batch SET state = 'accepted', reason = '', closed_at = clock_timestamp()
WHERE id IN (SELECT id FROM family) AND state IN ('open', 'set_aside', 'quarantined');

UPDATE delivery_attempt SET finished_at = clock_timestamp(), outcome = 'accepted', ambiguous = false,
    status_code = t.status_code, answer = t.answer
FROM unnest(%(attempts)s::bigint[], %(codes)s::int[], %(texts)s::text[]) AS t (id, status_code, answer)
WHERE delivery_attempt.id = t.id
"""
# PostgreSQL runs what comes in one message as one transaction. The hold is not touched: it may be newer than the
# request. The halves are accepted too: a 200 that comes after the batch was split speaks for all of its events. A
# source that was deleted took its lane, batches and attempts along.


def _refuse(sent: Sent, answer: Answer, *, echo: bool) -> bool:
    now = database_now()
    lane = Lane.objects.select_for_update().get(pk=sent.credentials.source_id)
    batch = Batch.objects.select_for_update().get(pk=sent.batch.pk)
    _complete(sent, answer)
    if answer.ambiguous and batch.first_ambiguous_at is None:
        batch.first_ambiguous_at = Attempt.objects.values_list("started_at", flat=True).get(pk=sent.attempt_id)
        batch.ambiguous_region = sent.credentials.region
        batch.save(update_fields=["first_ambiguous_at", "ambiguous_region"])
    if batch.state != BatchState.OPEN:
        return False
    if batch.attempts_made != sent.batch.attempts_made:
        # Its worker was late, not dead: the crash that a later attempt was begun with was none.
        batch.crashes = max(0, batch.crashes - 1)
        batch.save(update_fields=["crashes"])
        return False
    batch.failing_since = batch.failing_since or now
    history = _history(sent, batch, lane, now)
    if echo:
        history = replace(history, lane_failures=max(0, lane.failures - 1))
    decision = decide(answer, history, random.random())  # noqa: S311  # jitter is no secret
    _limit_key(sent, decision)
    lane.failures += bool(decision.lane_delay) and not echo
    _apply(decision, batch, lane, now)
    return not (decision.hold or decision.lane_delay)


def _history(sent: Sent, batch: Batch, lane: Lane, now: datetime) -> History:
    versions = Source.objects.filter(pk=sent.credentials.source_id).values_list("version", flat=True)
    return History(
        events=batch.event_count,
        tries=batch.tries,
        lane_failures=lane.failures,
        rejections=lane.rejections,
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


def _apply(decision: Decision, batch: Batch, lane: Lane, now: datetime) -> None:
    match decision.action:
        case Action.RETRY:
            batch.tries += decision.counts
            batch.not_before = now + timedelta(seconds=decision.batch_delay)
        case Action.HOLD:
            batch.failing_since = None  # the time that a customer takes is not a failure of the batch
            lane.hold, lane.hold_reason, lane.held_at = str(decision.hold), decision.reason, now
            log.warning("The lane is held: %s.", decision.hold, extra={"source_id": lane.pk, "batch_id": batch.pk})
        case Action.SPLIT:
            _split(batch)
            close(batch, BatchState.SPLIT, decision.reason)
        case Action.QUARANTINE:
            close(batch, BatchState.QUARANTINED, decision.reason)
        case Action.SET_ASIDE:
            close(batch, BatchState.SET_ASIDE, decision.reason)
    lane.rejections += decision.strikes
    batch.crashes = 0
    batch.save(update_fields=["tries", "not_before", "failing_since", "crashes"])
    _slow_down(lane, decision, now)


def _slow_down(lane: Lane, decision: Decision, now: datetime) -> None:
    if decision.lane_delay:
        until = now + timedelta(seconds=decision.lane_delay)
        lane.not_before = max(lane.not_before or until, until)
    lane.save(update_fields=["failures", "not_before", "rejections", "hold", "hold_reason", "held_at"])


def _split(batch: Batch) -> None:
    """Two batches of half the events each; they inherit what may already have reached Segment, and whose they are."""
    names = ("first_ambiguous_at", "ambiguous_region", "failing_since", "replay_id", "again", "waiting_since")
    inherited: dict[str, Any] = {name: getattr(batch, name) for name in names}
    sizes = dict(Event.objects.filter(pk__in=batch.event_ids).values_list("pk", "bytes"))
    middle = len(batch.event_ids) // 2
    for ids in (batch.event_ids[:middle], batch.event_ids[middle:]):
        size = sum(sizes.get(event_id, 0) for event_id in ids)
        new_batch(batch.source_id, batch.tenant_id, ids, size, parent=batch, **inherited)
