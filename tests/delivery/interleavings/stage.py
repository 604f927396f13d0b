"""A tenant with two sources, the workers that send for them, and how it all must end."""

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection, transaction

from delivery import replay
from delivery.enums import BatchState
from delivery.models import Batch, Lane
from delivery.outbox import capture_many
from delivery.redis_link import try_again
from delivery.replayable import Criteria
from delivery.sweep import due
from delivery.turn import take_turn
from integrations.enums import Region, SourceState
from integrations.models import Source
from integrations.secrets import Secret
from integrations.services import (
    change_region,
    disconnect_source,
    pause_source,
    reconnect_source,
    replace_write_key,
    resume_source,
)
from integrations.spec.calls import track
from tenants.models import Tenant
from tenants.scoping import scope
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY, make_source
from tests.delivery.interleavings.actors import Actor, Place
from tests.delivery.interleavings.held_segment import HeldSegment, Request
from tests.delivery.interleavings.ledger import Ledger
from tests.delivery.steps import Gate, in_thread
from tests.emptying import empty_redis

SWEEPS: Final = 60
"""Enough for anything that a test can build up: eight open batches, halved to single events."""

LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)

WAITS_ARE_OVER: Final = """
UPDATE delivery_lane SET not_before = clock_timestamp() WHERE not_before > clock_timestamp();
UPDATE delivery_batch SET not_before = clock_timestamp() WHERE not_before > clock_timestamp();
DELETE FROM delivery_ratehold
"""

DEEDS: Final[dict[str, Callable[[Source], None]]] = {
    "pause": pause_source,
    "disconnect": disconnect_source,
    "replace key": lambda source: replace_write_key(source, Secret(OTHER_WRITE_KEY)),
    "switch region": lambda source: change_region(source, Region.EU if source.region == Region.US else Region.US),
}

_numbers = itertools.count()


class OpenCapture:
    """A transaction of the product that has captured and is still open."""

    def __init__(self, capture: Callable[[], list[int]]) -> None:
        # A machine under load takes its time for the steps that it lies open through.
        self._gate, self._keep = Gate(seconds=600), True
        self._done = in_thread(lambda: self._run(capture))
        self._gate.reached()

    def end(self, *, keep: bool) -> list[int]:
        """The ids of the events if they were kept."""
        self._keep = keep
        self._gate.open()
        event_ids: list[int] = self._done.result(20)
        return event_ids if keep else []

    def _run(self, capture: Callable[[], list[int]]) -> list[int]:
        with transaction.atomic():
            event_ids = capture()
            self._gate.wait()
            if not self._keep:
                transaction.set_rollback(True)
        return event_ids


class Stage:
    """`workers` are all that there ever were; `open_captures` those whose transaction has not ended."""

    def __init__(self, segment: HeldSegment) -> None:
        segment.forget()
        # The sources of stages before may have failed last: three of them would open the breaker of their region.
        empty_redis()
        self.segment = segment
        number = next(_numbers)
        self.tenant = Tenant.objects.create(name=f"Acme {number}", slug=f"acme-{number}")
        # One key, so that what Segment says of it concerns both.
        self.sources = [make_source(self.tenant, WRITE_KEY, name=name) for name in ("One", "Two")]
        self.ledger = Ledger(segment, [source.pk for source in self.sources])
        self.ledger.note_terms()
        self.workers: list[Actor] = []
        self.open_captures: list[OpenCapture] = []
        self._owners: dict[Request, Actor] = {}
        self._changed_at = {source.pk: LONG_AGO for source in self.sources}

    def capture(self, source: Source, count: int, letters: int = 1) -> None:
        self.ledger.note_captured(self._capture(source, count, letters))

    def begin_capture(self, source: Source, count: int) -> None:
        self.open_captures.append(OpenCapture(lambda: self._capture(source, count)))

    def end_capture(self, index: int, *, keep: bool) -> None:
        self.ledger.note_captured(self.open_captures.pop(index).end(keep=keep))

    def change(self, source: Source, service: Callable[[Source], Any]) -> None:
        service(source)
        self.ledger.note_terms()
        if source.state == SourceState.CONNECTED:
            self._changed_at[source.pk] = self.ledger.terms[-1].since

    def make_it_send(self, source: Source) -> None:
        """What a customer does whose source does not send, because of them or of Segment's answers."""
        if source.state == SourceState.DISCONNECTED:
            self.change(source, lambda source: reconnect_source(source, Secret(WRITE_KEY), Region(source.region)))
        elif source.state == SourceState.PAUSED:
            self.change(source, resume_source)
        elif Lane.objects.filter(pk=source.pk).exclude(hold="").exists():
            self.change(source, lambda source: replace_write_key(source, Secret(WRITE_KEY)))

    def replay_what_was_given_up(self, source: Source) -> None:
        given_up = Batch.objects.filter(source=source, state__in=[BatchState.SET_ASIDE, BatchState.QUARANTINED])
        batch_ids = list(given_up.values_list("pk", flat=True))
        if batch_ids:
            with scope(self.tenant.pk):
                criteria = Criteria(batch_ids=batch_ids)
                replay.replay(source, criteria, token=f"{next(_numbers)}", requested_by="somebody")

    def end_waits(self) -> None:
        try_again()
        with connection.cursor() as cursor:
            cursor.execute(WAITS_ARE_OVER)

    def end_lease(self, source: Source) -> None:
        Lane.objects.filter(pk=source.pk, leased_until__isnull=False).update(leased_until=LONG_AGO)

    def start(self, sources: Sequence[Source]) -> Actor:
        """A worker at the first gate of its turn."""
        source_ids = [source.pk for source in sources]
        worker = Actor(f"worker {len(self.workers)}", lambda: take_turn(source_ids))
        self.workers.append(worker)
        worker.come_to_rest()
        return worker

    def step(self, worker: Actor) -> None:
        """One transaction. What it begins is checked, and its requests are known to be its own."""
        worker.go()
        for attempt in self.ledger.new_attempts():
            self._owners[self.ledger.requests[attempt.id]] = worker

    def answer(self, worker: Actor, answer: str, *, taken_in: bool = True, index: int = 0) -> None:
        """One of the requests that it has in flight."""
        held, answers = self.held_by(worker), worker.answers
        held[index % len(held)].decide(answer, taken_in=taken_in)
        worker.hear(answers + 1)

    def kill(self, worker: Actor, *, taken_in: bool) -> None:
        worker.die()
        for request in self.held_by(worker):
            request.decide("reset", taken_in=taken_in)
        worker.join()

    def alive(self) -> list[Actor]:
        return [worker for worker in self.workers if worker.place != Place.OVER]

    def held_by(self, worker: Actor) -> list[Request]:
        return [request for request in self.segment.held() if self._owners.get(request) == worker]

    def finish(self) -> dict[int, tuple[str, str]]:
        """Once the workers are through and the customers have done what their sources need, no event is left waiting.

        Gives state and reason of each.
        """
        while self.open_captures:
            self.end_capture(0, keep=True)
        self.segment.answer_by_itself()
        for worker in self.alive():
            worker.run_to_its_end()
            worker.join()
        self._check_holds()
        for source in self.sources:
            self.make_it_send(source)
        self._sweep_until_quiet()
        self.ledger.new_attempts()
        places = self.ledger.check_places()
        assert {state for state, _ in places.values()} <= {"accepted", "quarantined", "set_aside"}, places
        assert all(reason for state, reason in places.values() if state != "accepted"), places
        self.ledger.check_arrivals(places)
        return places

    def tidy_up(self) -> None:
        """Also after a failure: no thread is left behind."""
        for capture in self.open_captures:
            capture.end(keep=False)
        for worker in self.alive():
            worker.die()
        self.segment.answer_by_itself("reset")
        for worker in self.workers:
            worker.join()

    def _capture(self, source: Source, count: int, letters: int = 1) -> list[int]:
        calls = [track(event="Report Sent", user_id="u-1", properties={"text": "x" * letters}) for _ in range(count)]
        return capture_many(self.tenant.pk, calls, sources=[source]).event_ids

    def _check_holds(self) -> None:
        """A lane is held by an answer to what its source says now, given since the customer last changed it."""
        for lane in Lane.objects.filter(source__in=self.sources).exclude(hold="").select_related("source"):
            answers = [
                attempt
                for attempt in self.ledger.attempts()
                if (attempt.source_id, attempt.version) == (lane.pk, lane.source.version)
                and attempt.outcome in {"key_refused", "rejected"}
                and attempt.finished_at
                and attempt.finished_at >= self._changed_at[lane.pk]
            ]
            assert answers, f"{lane} is held without a reason: {lane.hold}."

    def _sweep_until_quiet(self) -> None:
        """A lane that sleeps has something waiting that no sweep ever finds: then this ends too early."""
        for _ in range(SWEEPS):
            self.end_waits()
            for source in self.sources:
                self.end_lease(source)
            found = [source_id for source_id, _, _ in due([source.pk for source in self.sources])]
            if not found:
                return
            worker = self.start([source for source in self.sources if source.pk in found])
            worker.run_to_its_end()
            worker.join()
        raise AssertionError("Something is due again and again.")
