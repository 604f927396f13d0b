"""What must hold, read from the tables and from what arrived: none of it shares code with the engine."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from tests.delivery.interleavings.held_segment import HeldSegment, Request

PLACES: Final = """
SELECT event_id, 'pending', '' FROM delivery_pending WHERE source_id = ANY(%(sources)s)
UNION ALL SELECT unnest(event_ids), state, reason FROM delivery_batch WHERE source_id = ANY(%(sources)s)
    AND state NOT IN ('split', 'replayed') AND NOT again
"""
ATTEMPTS: Final = """
SELECT attempt.id, attempt.source_id, number, region, source_version, started_at, finished_at, outcome, ambiguous,
    batch.event_ids, batch.replay_id IS NOT NULL OR whole.replay_id IS NOT NULL
FROM delivery_attempt AS attempt JOIN delivery_batch AS batch ON batch.id = attempt.batch_id
LEFT JOIN delivery_batch AS whole ON whole.id = batch.parent_id
WHERE attempt.source_id = ANY(%(sources)s) ORDER BY attempt.id
"""


class Attempt(NamedTuple):
    id: int
    source_id: int
    number: int
    region: str
    version: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    ambiguous: bool
    event_ids: list[int]
    replayed: bool

    @property
    def may_have_arrived(self) -> bool:
        return self.ambiguous or self.outcome == "accepted"


class Terms(NamedTuple):
    """What a source said since a moment at which that was committed."""

    since: datetime
    source_id: int
    state: str
    version: int
    region: str


@dataclass
class Ledger:
    """`captured`: the committed events with their messageIds. `requests`: by attempt, what Segment saw of it."""

    segment: HeldSegment
    sources: Sequence[int]
    captured: dict[int, str] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    terms: list[Terms] = field(default_factory=list)
    known: int = 0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(query, {"sources": list(self.sources)})
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def attempts(self) -> list[Attempt]:
        return [Attempt(*row) for row in self.rows(ATTEMPTS)]

    def note_captured(self, event_ids: Collection[int]) -> None:
        every = dict(self.rows("SELECT id, message_id::text FROM delivery_event WHERE source_id = ANY(%(sources)s)"))
        self.captured |= {event_id: every[event_id] for event_id in event_ids}

    def note_terms(self) -> None:
        """To be called when a change of a source has been committed."""
        query = (
            "SELECT clock_timestamp(), id, state, version, region FROM integrations_source WHERE id = ANY(%(sources)s)"
        )
        self.terms += [Terms(*row) for row in self.rows(query)]

    def new_attempts(self) -> list[Attempt]:
        """Those begun since this was last asked, each with the request that it made; and checked."""
        attempts = self.attempts()
        begun = [attempt for attempt in attempts if attempt.id > self.known]
        for attempt in begun:
            self._check_terms(attempt)
            self._check_region(attempt, attempts)
            self.requests[attempt.id] = self._request_of(attempt)
        self.known = max([self.known, *(attempt.id for attempt in begun)])
        return begun

    def _check_terms(self, attempt: Attempt) -> None:
        """No attempt is begun after a pause, a disconnection, a region switch or a new key has committed."""
        known = [terms for terms in self.terms if terms.source_id == attempt.source_id]
        *_, terms = [terms for terms in known if terms.since <= attempt.started_at]
        begun = ("connected", attempt.version, attempt.region)
        assert begun == (terms.state, terms.version, terms.region), f"{attempt} under {terms}."

    def _check_region(self, attempt: Attempt, attempts: Iterable[Attempt]) -> None:
        """What one region may have is sent to no other by itself."""
        elsewhere = [
            earlier
            for earlier in attempts
            if earlier.id < attempt.id and earlier.may_have_arrived and earlier.region != attempt.region
        ]
        for earlier in [] if attempt.replayed else elsewhere:
            assert not set(earlier.event_ids) & set(attempt.event_ids), f"{attempt} after {earlier}."

    def _request_of(self, attempt: Attempt) -> Request:
        ids = frozenset(self.captured[event_id] for event_id in attempt.event_ids)

        def find() -> Request | None:
            taken = set(map(id, self.requests.values()))
            alike = (
                request
                for request in self.segment.requests
                if (request.region, request.number, request.message_ids) == (attempt.region, attempt.number, ids)
            )
            return next((request for request in alike if id(request) not in taken), None)

        request = self.segment.wait_for(find)
        assert request is not None, f"{attempt} made no request."
        return request

    def check_places(self) -> dict[int, tuple[str, str]]:
        """Each event is in one place only, and none is nowhere. Gives state and reason of each."""
        rows = self.rows(PLACES)
        counts = Counter(event_id for event_id, _, _ in rows)
        assert counts == dict.fromkeys(self.captured, 1), f"In {rows}; captured: {list(self.captured)}."
        return {event_id: (state, reason) for event_id, state, reason in rows}

    def check_arrivals(self, places: dict[int, tuple[str, str]], sent_again: Collection[int] = ()) -> None:
        """What is accepted has arrived, and nothing arrived again after it was known to have.

        `sent_again`: somebody wanted these sent again though they were accepted.
        """
        attempts = [attempt for attempt in self.attempts() if attempt.id in self.requests]
        assert len(self.requests) == len(self.segment.requests), "A request without an attempt."
        for event_id, (state, _) in places.items():
            of_event = [attempt for attempt in attempts if event_id in attempt.event_ids]
            arrived = [attempt for attempt in of_event if self.requests[attempt.id].taken_in]
            assert (state == "accepted") <= bool(arrived), f"Event {event_id} is accepted and never arrived."
            if event_id not in sent_again:
                _check_order(of_event)


def _check_order(attempts: Sequence[Attempt]) -> None:
    """Of one event: none was begun after the acceptance of an earlier one was recorded."""
    accepted = [each.finished_at for each in attempts if each.outcome == "accepted" and each.finished_at]
    for attempt in attempts:
        assert not [at for at in accepted if at < attempt.started_at], f"{attempt} was known to be accepted."
