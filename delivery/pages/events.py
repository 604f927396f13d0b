"""The events of a source, newest first, by name, person and state: a page at a time, by id.

The state of an event is its newest batch's, and the log is long: a page looks at so many events and no more, and says
where to look on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Q

from delivery.enums import BatchState
from delivery.holding import LINE, newest_batches
from delivery.models import Batch, Event, Lane
from integrations.enums import SourceState
from integrations.models import Source
from integrations.spec.findings import Finding
from integrations.spec.linter import lint

PAGE: Final = 50
LOOKED_AT: Final = 20_000
"""Of the log, for one page with a name: names have no index."""
LOOKED_AT_IN_STATE: Final = 5_000
"""The same of the events in a state, which lie here and there."""
ROUNDS: Final = 20
"""Of PAGE events each, for one page with a state that has no index, or with a state and a person."""


class State(StrEnum):
    """Where an event stands, for a customer. `WAITING` includes what was sent once and is tried again."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    SET_ASIDE = "set_aside"
    QUARANTINED = "quarantined"
    DISCARDED = "discarded"

    @property
    def label(self) -> str:
        return self.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to show. Empty is anything; `name` is a part of the name or the type, `user` is exact."""

    name: str = ""
    user: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """An event, where it stands, a word for it, why when it is not accepted, and the linter's findings."""

    event: Event
    state: State
    label: str
    reason: str
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Page:
    """`before` is where the next one goes on, 0 when there is none. `cut_short`: not full, but there may be more."""

    rows: list[Row]
    before: int
    cut_short: bool

    @property
    def digest(self) -> str:
        """Changes with what the page shows, so that a poll need not send it again."""
        shown = ";".join(f"{row.event.pk}{row.label}{row.reason}{bool(row.event.payload)}" for row in self.rows)
        return sha256(f"{shown}|{self.before}".encode()).hexdigest()[:16]


def page_of(source: Source, wanted: Wanted, before: int = 0) -> Page:
    """The newest events with an id below `before`, or the newest of all. In the active scope."""
    rows: list[Row] = []
    end = _end_of_look(source, wanted, before)
    for _ in range(ROUNDS):
        events, before = _next_events(source, wanted, before, end)
        rows += [row for row in _placed(source, events) if wanted.state in {"", row.state}]
        if len(rows) > PAGE:
            return Page(rows[:PAGE], rows[PAGE - 1].event.pk, cut_short=False)
        # With fewer events than there could be a look has come to its end, and a page is one look.
        if len(events) < PAGE or len(rows) == PAGE or not wanted.state:
            break
    return Page(rows, before, cut_short=bool(before) and len(rows) < PAGE)


def _next_events(source: Source, wanted: Wanted, before: int, end: int) -> tuple[list[Event], int]:
    """At most PAGE events, from the id `end` on, and the id before which the next are, 0 when these were the last."""
    conditions = Q(source=source, pk__gte=end)
    if before:
        conditions &= Q(pk__lt=before)
    if wanted.user:
        conditions &= Q(user_id=wanted.user)
    elif wanted.state in _BY_STATE:
        ids = _ids_by_state(source, wanted, before)
        conditions &= Q(pk__in=ids)
        end = ids[-1] if len(ids) == _most(wanted) else 0
    if wanted.name:
        conditions &= Q(name__icontains=wanted.name) | Q(type__iexact=wanted.name)
    events = list(Event.objects.filter(conditions).order_by("-pk")[:PAGE])
    return events, events[-1].pk if len(events) == PAGE else end


END_OF_LOOK: Final = """
SELECT id FROM delivery_event WHERE source_id = %s AND id < %s ORDER BY id DESC LIMIT 1 OFFSET %s
"""
# By the index alone. In the scope it would ask each row for its tenant.


def _end_of_look(source: Source, wanted: Wanted, before: int) -> int:
    """The id of the last event that is looked at for a name; 0 when all are."""
    if not wanted.name or wanted.user or wanted.state in _BY_STATE:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(END_OF_LOOK, [source.pk, before or _NO_END, LOOKED_AT - 1])
        row = cursor.fetchone()
    return row[0] if row else 0


_LAST: Final = "event_ids[cardinality(event_ids)]"
"""The newest event of a batch, as the index `batch_given_up_newest` has it."""
OF_BATCHES: Final = f"""
WITH below AS (
    SELECT event_ids, sum(event_count) OVER (ORDER BY last DESC) - event_count AS newer FROM (
        SELECT event_ids, event_count, {_LAST} AS last FROM delivery_batch
        WHERE source_id = %(source)s AND state = %(state)s AND {_LAST} < %(before)s
        ORDER BY {_LAST} DESC LIMIT %(most)s
    ) AS newest
), oldest AS (
    SELECT unnest(event_ids) AS id FROM below WHERE newer < %(most)s ORDER BY id DESC OFFSET %(most)s - 1 LIMIT 1
)
SELECT id FROM (
    SELECT unnest(event_ids) AS id FROM delivery_batch
    WHERE source_id = %(source)s AND state = %(state)s AND {_LAST} < %(before)s
        AND {_LAST} >= coalesce((SELECT id FROM oldest), 0)
    UNION ALL
    SELECT unnest(event_ids) FROM delivery_batch
    WHERE {LINE} @> box(point(%(source)s, %(before)s), point(%(source)s, %(before)s)) AND state || '' = %(state)s
) AS these WHERE id < %(before)s ORDER BY id DESC LIMIT %(most)s
"""  # noqa: S608  # _LAST and LINE, constants, are put in; values are parameters
# The batches of ten million events are read no further than the page goes. Those with the newest events that hold
# enough of them tell where it ends at the latest; others may reach into it, because what is sent again is in a newer
# batch than what was captured after it. The page before may have ended within a batch: the second half finds it, by the
# index `batch_of_event` alone ("|| ''" keeps the state's out).
WAITING: Final = """
SELECT id FROM (
    (
        SELECT event_id AS id FROM delivery_pending WHERE source_id = %(source)s AND event_id < %(before)s
        ORDER BY event_id DESC LIMIT %(most)s
    ) UNION ALL SELECT id FROM (
        SELECT unnest(event_ids) AS id FROM delivery_batch WHERE source_id = %(source)s AND state = 'open'
    ) AS open WHERE id < %(before)s
) AS waiting ORDER BY id DESC LIMIT %(most)s
"""
_BY_STATE: Final = {State.WAITING: WAITING, State.SET_ASIDE: OF_BATCHES, State.QUARANTINED: OF_BATCHES}
"""Those states whose batches have an index."""
_NO_END: Final = 2**62


def _most(wanted: Wanted) -> int:
    return LOOKED_AT_IN_STATE if wanted.name else PAGE


def _ids_by_state(source: Source, wanted: Wanted, before: int) -> list[int]:
    values: dict[str, Any] = {
        "source": source.pk,
        "before": before or _NO_END,
        "most": _most(wanted),
        "state": wanted.state,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BY_STATE[State(wanted.state)], values)
        return [event_id for (event_id,) in cursor.fetchall()]


def _placed(source: Source, events: Sequence[Event]) -> list[Row]:
    """With where each stands: one query, or two."""
    batches = newest_batches(source.pk, [event.pk for event in events])
    stopped = is_stopped(source, batches.values())
    return [row_of(event, batches.get(event.pk), stopped=stopped) for event in events]


def is_stopped(source: Source, batches: Iterable[Batch]) -> bool:
    """Whether what was tried once is kept back now. Asks for the lane only when something was, which is seldom."""
    if not any(batch.state in _GOING and batch.attempts_made for batch in batches):
        return False
    return source.state != SourceState.CONNECTED or Lane.objects.filter(pk=source.pk).exclude(hold="").exists()


def row_of(event: Event, batch: Batch | None, *, stopped: bool) -> Row:
    state, label = _state_of(batch, stopped=stopped)
    reason = batch.reason if batch and state != State.WAITING else ""
    return Row(event, state, label, reason, findings_of(event))


def _state_of(batch: Batch | None, *, stopped: bool) -> tuple[State, str]:
    if batch is None:
        return State.WAITING, "Waiting"
    if batch.state in _GOING:
        return State.WAITING, "Sending" if batch.attempts_made and not stopped else "Waiting"
    return State(batch.state), State(batch.state).label


_GOING: Final = (BatchState.OPEN, BatchState.SPLIT, BatchState.REPLAYED)
"""The last two only for the moment between this page's queries: newer batches have their events."""


def findings_of(event: Event) -> list[Finding]:
    """Linted again when it is shown: cheaper than a column of every event that few have something in."""
    # An erased event has no payload.
    call: Any = orjson.loads(event.payload) if event.payload else None
    return lint(call, category=settings.INTEGRATION_CATEGORY or None) if call else []
