"""Sending events again: the same messageIds and payloads, in new batches. docs/replay.md tells when and how.

What may have reached Segment keeps the time of that, so the rule of delivery/retry.py holds for a replay as well. Only
what is past the window already begins anew: whoever replays it was told that it may arrive twice.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from delivery.batching import new_batch
from delivery.bodies import PAYLOAD_BYTES
from delivery.clock import ClockTimestamp
from delivery.enums import GIVEN_UP, BatchState
from delivery.errors import ReplayError
from delivery.lanes import lock_source
from delivery.models import Batch, Event, Lane, Replay
from delivery.replayable import Candidate, Criteria, Progress, Reach, Selection, select
from delivery.wake import wake_after_commit
from integrations.enums import SourceState
from integrations.models import Source
from integrations.spec.limits import MAX_BATCH_EVENTS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a replay would do. `oldest`: the first capture. The last two are events that it leaves out."""

    events: int
    batches: int
    oldest: datetime | None
    accepted_before: int
    may_arrive_twice: int
    waiting: int
    gone: int

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "oldest": self.oldest.isoformat() if self.oldest else None}


@dataclass(frozen=True, slots=True)
class Replayed:
    """`fresh`: this call did it; otherwise it had been done with the same token before."""

    replay: Replay
    fresh: bool


def count(source: Source, criteria: Criteria, progress: Progress | None = None) -> Count:
    """Raises ReplayError. To be called, like `replay`, within the scope of the source's tenant."""
    selection = select(source, criteria, progress)
    chosen = selection.events
    oldest = Event.objects.filter(pk__in=[each.id for each in chosen[:1]]).values_list("captured_at", flat=True)
    return Count(
        events=len(chosen),
        batches=sum(1 for _ in _shares(chosen)),
        oldest=oldest.first(),
        accepted_before=sum(each.accepted for each in chosen),
        may_arrive_twice=_twice(chosen),
        waiting=selection.waiting,
        gone=selection.gone,
    )


def replay(
    source: Source, criteria: Criteria, *, token: str, requested_by: str, progress: Progress | None = None
) -> Replayed:
    """Queue the events again. Done once for a token, by whomever and however often it is called.

    Raises ReplayError when there is nothing to replay, the source has no write key, or the token was used for
    something else.
    """
    with transaction.atomic():
        _one_at_a_time(source)
        if (done := Replay.objects.filter(token=token).first()) is not None:
            return _the_same(done, source, criteria)
        selection = select(source, criteria, progress)
        _lock(source, selection)
        made, fresh = Replay.objects.get_or_create(
            token=token, defaults=_facts(source, criteria, selection, requested_by)
        )
        if not fresh:
            return _the_same(made, source, criteria)
        _queue(made, source, selection.events)
        wake_after_commit([source])
    log.info("Replay %d queued %d events.", made.pk, made.event_count, extra={"source_id": source.pk})
    return Replayed(made, fresh=True)


def notes(source: Source) -> list[str]:
    """What keeps a replay of this source from being sent at once, in sentences."""
    hold = Lane.objects.filter(pk=source.pk).exclude(hold="").values_list("hold_reason", flat=True).first()
    if source.state == SourceState.DISCONNECTED:
        return ["The source is disconnected: reconnect it first."]
    paused = ["The source is paused: the events are queued and sent when it is resumed."]
    held = [f"The source is held, so the events are queued: {hold}"] if hold else []
    shadow = ["The source is in shadow: the events are queued and sent when it is switched on."]
    waits = {SourceState.PAUSED: paused, SourceState.SHADOW: shadow}
    return waits.get(SourceState(source.state), []) + held


def _one_at_a_time(source: Source) -> None:
    """Two replays of a source, one after the other: the second sees that the first one's events are on their way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('headwater replay', %s))", [source.pk])


def _the_same(done: Replay, source: Source, criteria: Criteria) -> Replayed:
    if done.source_id != source.pk or done.criteria != criteria.as_json():
        raise ReplayError("This token was used for another replay. Nothing was done; use a new one.")
    return Replayed(done, fresh=False)


def _lock(source: Source, selection: Selection) -> None:
    """Keep source and batches as they are, and leave out what has changed since it was selected.

    The order of locks: see the note in delivery/lanes.py.
    """
    lock_source(source.pk)
    region = source.region
    source.refresh_from_db()
    if source.region != region:
        raise ReplayError("The source's region was changed just now. Nothing was replayed; count again first.")
    if source.state == SourceState.DISCONNECTED:
        raise ReplayError("The source is disconnected and has no write key. Reconnect it first; nothing was replayed.")
    given_up = Batch.objects.filter(pk__in={each.batch_id for each in selection.events if each.given_up})
    changed = {
        batch_id
        for batch_id, state in given_up.order_by("pk").select_for_update().values_list("pk", "state")
        if state not in GIVEN_UP
    }
    selection.events = [each for each in selection.events if each.batch_id not in changed]
    if not selection.events:
        raise ReplayError("There is nothing to replay: none of these events has ended, or they are gone.")


def _facts(source: Source, criteria: Criteria, selection: Selection, requested_by: str) -> dict[str, Any]:
    chosen = selection.events
    return {
        "tenant_id": source.tenant_id,
        "source": source,
        "requested_by": requested_by,
        "criteria": criteria.as_json(),
        "event_count": len(chosen),
        "batch_count": sum(1 for _ in _shares(chosen)),
        "accepted_before": sum(each.accepted for each in chosen),
        "may_arrive_twice": _twice(chosen),
        "created_at": ClockTimestamp(),
    }


def _twice(chosen: Iterable[Candidate]) -> int:
    return sum(each.reach == Reach.PAST for each in chosen)


def _queue(made: Replay, source: Source, chosen: Sequence[Candidate]) -> None:
    _leave_behind(made, chosen)
    for share in _shares(chosen):
        inherited: dict[str, Any] = {"replay": made, "again": share[0].accepted}
        if share[0].reach == Reach.RECENT:
            inherited["first_ambiguous_at"] = min(each.reached_at for each in share if each.reached_at)
            inherited["ambiguous_region"] = source.region
        if _origin(share[0]):
            inherited["parent_id"] = share[0].batch_id
        size = sum(each.bytes for each in share)
        new_batch(source.pk, source.tenant_id, [each.id for each in share], size, **inherited)


def _shares(chosen: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """The events of one request each. Accepted ones, and those that came as far, do not share with others.

    A batch is judged as a whole: by its oldest event, and when the accepted are counted.
    """
    alike: defaultdict[tuple[bool, Reach, int], list[Candidate]] = defaultdict(list)
    for each in chosen:
        alike[each.accepted, each.reach, _origin(each)].append(each)
    for group in alike.values():
        share: list[Candidate] = []
        size = 0
        for each in group:
            size += each.bytes + 1
            if share and (size - 1 > PAYLOAD_BYTES or len(share) == MAX_BATCH_EVENTS):
                yield share
                share, size = [], each.bytes + 1
            share.append(each)
        yield share


def _origin(each: Candidate) -> int:
    """The batch that a late 200 may still accept. What a replay takes from it stays by itself, as a child of it.

    So that answer speaks for the replay as it does for halves, and nothing is sent that is known to be accepted.
    """
    return each.batch_id if each.answer_due and each.given_up else 0


def _leave_behind(made: Replay, chosen: Sequence[Candidate]) -> None:
    """Batches that were given up have lost these events to the replay; what is left of one becomes one of its own.

    So each event is counted once. Accepted batches stay as they are.
    """
    taken: defaultdict[int, set[int]] = defaultdict(set)
    for each in chosen:
        if each.given_up:
            taken[each.batch_id].add(each.id)
    given_up = Batch.objects.filter(pk__in=list(taken), state__in=GIVEN_UP)
    for batch in given_up.order_by("pk"):
        _keep_rest(batch, taken[batch.pk])
    reason = Concat(Value(f"Replay {made.pk} sends its events again. Before: "), F("reason"))
    given_up.update(state=BatchState.REPLAYED, reason=reason)


def _keep_rest(batch: Batch, taken: set[int]) -> None:
    rest = [event_id for event_id in batch.event_ids if event_id not in taken]
    if not rest:
        # Most often: asking for the events of none costs Django more than all else, of 50,000 batches many seconds.
        return
    sizes = dict(Event.objects.filter(pk__in=rest).order_by("pk").values_list("pk", "bytes"))
    if not sizes:
        return
    names = ("state", "reason", "closed_at", "first_ambiguous_at", "ambiguous_region", "replay_id", "again")
    inherited = {name: getattr(batch, name) for name in names}
    new_batch(batch.source_id, batch.tenant_id, list(sizes), sum(sizes.values()), parent=batch, **inherited)
