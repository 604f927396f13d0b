"""Which events of a source can be sent again, and where they may have been already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from delivery.clock import database_now
from delivery.enums import GIVEN_UP, BatchState
from delivery.errors import ReplayError
from delivery.first_ids import begin_of, end_of
from delivery.holding import LINE, batches_holding
from delivery.retry import AMBIGUOUS_FOR_AT_MOST
from integrations.models import Source

MOST_EVENTS: Final = 500_000
"""In one replay: it is one transaction, and its list is held in memory."""
CHUNK: Final = 20_000
FEW: Final = 50
"""So many events are looked for one by one (delivery/holding.py); more by the ranges that their ids lie in."""
MOST_RANGES: Final = 1_000

NO_END: Final = 2**52
"""Of the ids; the lines of batches are drawn in floating point, which is exact up to here."""
Progress = Callable[[int, int], None]
"""Is told how many events were looked at, and of how many."""

ENDED: Final = (BatchState.ACCEPTED, *GIVEN_UP)
"""The states of the newest batch of an event that can be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What to replay: events that meet all that is given.

    The times are those of capture, `until` not included. `answer` is the last one that the event had: a status code,
    or a value of Outcome.
    """

    event_ids: Sequence[int] = ()
    message_ids: Sequence[UUID] = ()
    batch_ids: Sequence[int] = ()
    since: datetime | None = None
    until: datetime | None = None
    answer: int | str = ""

    def as_json(self) -> dict[str, Any]:
        given: dict[str, Any] = {
            "event_ids": list(self.event_ids),
            "message_ids": [str(each) for each in self.message_ids],
            "batch_ids": list(self.batch_ids),
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "answer": self.answer,
        }
        return {name: value for name, value in given.items() if value}


class Reach(StrEnum):
    """Whether an event may have reached Segment, and whether Segment would recognize it if it came again.

    `PAST`: too long ago for that, or in another region.
    """

    NEVER = "never"
    RECENT = "recent"
    PAST = "past"


class Candidate(NamedTuple):
    """`accepted`: once, though the newest batch with it may have been given up since.

    `answer_due`: an attempt of its batch, or of one that it came from, has no recorded end and may still get one.
    """

    id: int
    bytes: int
    batch_id: int
    given_up: bool
    accepted: bool
    reach: Reach
    reached_at: datetime | None
    answer_due: bool


@dataclass(slots=True)
class Selection:
    """`waiting` events are on their way already; `gone` ones were erased, or are not the source's."""

    events: list[Candidate]
    waiting: int = 0
    gone: int = 0


@dataclass(slots=True)
class _Past:
    """What an event's batches, oldest first, say of it."""

    batch_id: int = 0
    state: str = ""
    accepted: bool = False
    reached_at: datetime | None = None
    elsewhere: bool = False
    answer_due: bool = False
    attempt_id: int = 0
    answers: tuple[object, ...] = ()


def select(source: Source, criteria: Criteria, progress: Progress | None = None) -> Selection:
    """Raises ReplayError when nothing is asked for, or too much. Locks nothing."""
    rows = _matching(source, criteria)
    if len(rows) > MOST_EVENTS:
        raise ReplayError(f"These are more than {MOST_EVENTS:,} events: replay them in parts, by a shorter time range.")
    selection = Selection([], gone=_gone(source, criteria))
    now = database_now()
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        pasts = _pasts(source, [event_id for event_id, _ in some])
        for event in some:
            _sort(selection, criteria, event, pasts.get(event[0]), now)
        if progress:
            progress(start + len(some), len(rows))
    return selection


def _sort(
    selection: Selection, criteria: Criteria, event: tuple[int, int], past: "_Past | None", now: datetime
) -> None:
    if past is None or past.state == BatchState.OPEN:
        # Who asks for an answer means the last one, and a waiting event is still to have that.
        selection.waiting += not criteria.answer
    elif past.state not in ENDED:
        selection.gone += 1
    elif not criteria.answer or criteria.answer in past.answers:
        reach = _reach(past, now)
        given_up = past.state in GIVEN_UP
        selection.events.append(
            Candidate(*event, past.batch_id, given_up, past.accepted, reach, past.reached_at, past.answer_due)
        )


def _reach(past: _Past, now: datetime) -> Reach:
    if past.reached_at is None:
        return Reach.NEVER
    # The engine stops after 20 of the 24 hours, so that what is sent still comes in time; so does the warning.
    return Reach.PAST if past.elsewhere or now - past.reached_at >= AMBIGUOUS_FOR_AT_MOST else Reach.RECENT


LINE_OF_BATCH: Final = LINE.replace("delivery_batch", "batch")
ANSWERED: Final = f"""
id IN (
    SELECT unnest(batch.event_ids) FROM delivery_batch AS batch
    WHERE {LINE_OF_BATCH} && box(point(%(source)s, %(begin)s), point(%(source)s, %(end)s)) AND (
        SELECT coalesce(status_code::text, '') = %(answer)s OR outcome = %(answer)s FROM delivery_attempt
        WHERE batch_id = batch.id ORDER BY number DESC LIMIT 1
    )
)
"""  # noqa: S608  # only constants of ours are put in; values are parameters
BATCHED: Final = """
id IN (
    SELECT unnest(event_ids) FROM delivery_batch WHERE source_id = %(source)s AND id = ANY(%(batches)s)
)
"""


def _matching(source: Source, criteria: Criteria) -> list[tuple[int, int]]:
    """Id and bytes of each event in the log that was asked for, at most one more than may be."""
    conditions = {
        "(id = ANY(%(events)s) OR message_id = ANY(%(messages)s))": criteria.event_ids or criteria.message_ids,
        BATCHED: criteria.batch_ids,
        "captured_at >= %(since)s AND id >= %(begin)s": criteria.since,
        "captured_at < %(until)s AND id < %(end)s": criteria.until,
        ANSWERED: criteria.answer,
    }
    wanted = [condition for condition, given in conditions.items() if given]
    if not wanted:
        raise ReplayError("Say which events: by event, by batch, by time or by answer.")
    where = " AND ".join(["source_id = %(source)s", *wanted])
    ends = {
        "begin": begin_of(source.pk, criteria.since) if criteria.since else 0,
        "end": end_of(source.pk, criteria.until) if criteria.until else NO_END,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, bytes FROM delivery_event WHERE {where} ORDER BY id LIMIT %(most)s",  # noqa: S608  # only constants of ours are put in; values are parameters
            {**_values(source, criteria), **ends, "most": MOST_EVENTS + 1},
        )
        rows: list[tuple[int, int]] = cursor.fetchall()
    return rows


def _values(source: Source, criteria: Criteria) -> dict[str, Any]:
    return {
        "source": source.pk, "events": list(criteria.event_ids), "messages": list(criteria.message_ids),
        "batches": list(criteria.batch_ids), "since": criteria.since, "until": criteria.until,
        "answer": str(criteria.answer),
    }  # fmt: skip


GONE: Final = """
SELECT
    (
        SELECT count(*) FROM (
            SELECT unnest(%(events)s::bigint[]) AS id
            UNION SELECT unnest(event_ids) FROM delivery_batch WHERE source_id = %(source)s AND id = ANY(%(batches)s)
        ) AS named WHERE NOT EXISTS (SELECT 1 FROM delivery_event WHERE id = named.id AND source_id = %(source)s)
    ) + (
        SELECT count(*) FROM unnest(%(messages)s::uuid[]) AS named (id)
        WHERE NOT EXISTS (SELECT 1 FROM delivery_event WHERE message_id = named.id AND source_id = %(source)s)
    )
"""


def _gone(source: Source, criteria: Criteria) -> int:
    """How many of the events that were named, alone or by their batch, are not in the log."""
    with connection.cursor() as cursor:
        cursor.execute(GONE, _values(source, criteria))
        count: int = cursor.fetchone()[0]
    return count


BATCHES: Final = """
SELECT batch.id, batch.state, batch.event_ids,
    least(
        batch.first_ambiguous_at, reached.at, CASE WHEN batch.state = 'accepted' THEN batch.closed_at END
    ) AS reached_at,
    coalesce(reached.elsewhere, false) OR batch.ambiguous_region NOT IN ('', %(region)s) AS elsewhere,
    reached.answer_due, coalesce(last.id, 0), last.outcome, last.status_code
FROM delivery_batch AS batch
CROSS JOIN LATERAL (
    SELECT min(started_at) AS at, bool_or(region <> %(region)s) AS elsewhere,
        coalesce(bool_or(finished_at IS NULL), false) AS answer_due
    FROM delivery_attempt WHERE batch_id = batch.id AND (ambiguous OR outcome = 'accepted')
) AS reached
LEFT JOIN LATERAL (
    SELECT id, outcome, status_code FROM delivery_attempt WHERE batch_id = batch.id ORDER BY number DESC LIMIT 1
) AS last ON true
WHERE {which}
ORDER BY batch.id + 0
"""
OF_THESE: Final = "batch.source_id = %(source)s AND batch.id = ANY(%(batches)s)"
OF_RANGES: Final = f"""
batch.id IN (
    SELECT delivery_batch.id FROM unnest(%(firsts)s::bigint[], %(lasts)s::bigint[]) AS range (first, last)
    JOIN delivery_batch ON {LINE} && box(point(%(source)s, range.first), point(%(source)s, range.last))
)
AND EXISTS (SELECT FROM unnest(batch.event_ids) AS held (id) WHERE held.id = ANY(%(events)s::bigint[]))
"""  # noqa: S608  # LINE, a constant of delivery/holding.py, is put in; values are parameters
# PostgreSQL looks a value up in a constant list by its hash. Comparing two long arrays takes it minutes. The line
# has the source, and neither it nor the bare id may be asked for beside it: the notes in delivery/holding.py say why.


def _pasts(source: Source, event_ids: list[int]) -> dict[int, _Past]:
    """Of the events, in the order of their ids, that were ever put in a batch: wholes, halves and replays count."""
    pasts: dict[int, _Past] = {}
    wanted = set(event_ids)
    values: dict[str, Any] = {"source": source.pk, "region": source.region}
    if len(event_ids) <= FEW:
        which, values["batches"] = OF_THESE, batches_holding([(source.pk, event_id) for event_id in event_ids])
    else:
        which, values["events"] = OF_RANGES, event_ids
        values["firsts"], values["lasts"] = map(list, zip(*ranges_of(event_ids), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(BATCHES.format(which=which), values)
        while rows := cursor.fetchmany(100):
            for row in rows:
                _remember(pasts, wanted, row)
    return pasts


def ranges_of(event_ids: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of the ids, which go up, parted where many lie between: what was given up lies here and there."""
    gap = 1 + (event_ids[-1] - event_ids[0]) // MOST_RANGES
    ends = [number for number, (one, other) in enumerate(pairwise(event_ids), 1) if other - one > gap]
    return [(event_ids[begin], event_ids[end - 1]) for begin, end in pairwise([0, *ends, len(event_ids)])]


def _remember(pasts: dict[int, _Past], wanted: set[int], row: tuple[Any, ...]) -> None:
    """What a batch says of those of its events that are wanted; a later one has the last word on the state."""
    batch_id, state, ids, reached_at, elsewhere, answer_due, attempt_id, *answers = row
    for event_id in wanted.intersection(ids):
        past = pasts.setdefault(event_id, _Past())
        past.batch_id, past.state = batch_id, state
        past.accepted |= state == BatchState.ACCEPTED
        past.elsewhere |= elsewhere
        past.answer_due |= answer_due
        past.reached_at = _earlier(past.reached_at, reached_at)
        if attempt_id > past.attempt_id:
            past.attempt_id, past.answers = attempt_id, tuple(answers)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)
