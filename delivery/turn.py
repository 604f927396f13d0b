"""A turn: what a worker does when it is told that lanes have something to send."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from django.db import Error, connection, connections, transaction

from delivery import lanes, recording
from delivery.enums import Hold, Outcome
from delivery.errors import describe
from delivery.lanes import Lease
from delivery.outcomes import Answer
from delivery.retry import KEY_UNREADABLE
from delivery.runs import Run
from delivery.sending import recorded
from delivery.sweep import due
from delivery.wake import clear_flags, wake
from delivery.wave import begin_wave
from integrations.errors import SecretError
from integrations.queries import sending_credentials
from tenants.scoping import every_tenant

TURN_SECONDS: Final = 2.0
"""No request is begun after that, while others wait: a lane with a million events must not keep them waiting."""

LONGEST_SECONDS: Final = 20.0
"""And none after that, though nobody waits. Between two turns a lane has nothing in flight for a moment."""

LINGER_SECONDS: Final = 1.0
"""So long a turn waits for an answer with nothing else to do. Then the request's own thread waits, and records it."""

GATHER_SECONDS: Final = 0.05
"""Answers for lanes that have no more to send are recorded together, when they come within that time."""

TROUBLE_SECONDS: Final = 30.0
"""An error that nobody foresaw: the lane is left alone for a while instead of failing again at once."""

log = logging.getLogger(__name__)

T = TypeVar("T")
Landed = SimpleQueue["Future[Answer]"]


MOST_BEGUN: Final = 8
BEGINNING_SECONDS: Final = 0.1
"""A turn has begun when so few of its first requests are under way, or after that time: then the next may begin."""


def take_turn(
    source_ids: Sequence[int], begun: Callable[[], None] = lambda: None, may_go_on: Callable[[], bool] = lambda: False
) -> None:
    """Send what these lanes have, for about two seconds; a hint goes out for what is left. Harmless at any time.

    `begun` is called once, when another turn finds threads for the requests of many lanes. `may_go_on` is asked after
    the two seconds, and every two seconds from then on: whether nobody waits for the slot.
    """
    clear_flags(source_ids)
    with every_tenant():
        Turn([Run(lease) for lease in lanes.lease_many(source_ids)], begun, may_go_on).take()


class Turn:
    def __init__(self, runs: list[Run], begun: Callable[[], None], may_go_on: Callable[[], bool]) -> None:
        self._runs = runs
        self._tell_begun: Callable[[], None] | None = begun
        self._may_go_on = may_go_on
        self._begins = time.monotonic()
        self._ends = time.monotonic() + TURN_SECONDS
        self._landed: Landed = SimpleQueue()
        self._by_flight: dict[Future[Answer], Run] = {}
        self._progress = 0.0

    def take(self) -> None:
        self._begin_wave()
        while self._runs:
            self._go_on()
            self._begin_more()
            self._check_begun()
            self._part([run for run in self._runs if not (run.flights or self._may_begin(run))])
            self._land(self._wait())
            if self._is_idle():
                break
        self._leave()

    def _begin_wave(self) -> None:
        if len(self._runs) == 1:
            return
        try:
            begin_wave(self._runs)
        except Exception as error:  # noqa: BLE001  # what one lane did to all of them does not concern those begun alone
            log.error("A wave failed: %s.", describe(error))
        for run in self._runs:
            for future in run.flights:
                self._watch(run, future)

    def _go_on(self) -> None:
        """Take two seconds more, if nobody waits for them."""
        now = time.monotonic()
        if self._ends <= now < self._begins + LONGEST_SECONDS and self._may_go_on():
            self._ends = now + TURN_SECONDS
            for run in self._runs:
                _guarded(run, run.look_again)

    def _begin_more(self) -> None:
        for run in self._runs:
            if self._may_begin(run) and (future := _guarded(run, partial(_begin_next, run))):
                self._watch(run, future)

    def _check_begun(self) -> None:
        is_late = time.monotonic() > self._begins + BEGINNING_SECONDS
        if self._tell_begun and (is_late or len(self._by_flight) <= MOST_BEGUN):
            self._tell_begun()
            self._tell_begun = None

    def _watch(self, run: Run, future: "Future[Answer]") -> None:
        self._by_flight[future] = run
        self._progress = time.monotonic()
        future.add_done_callback(self._landed.put)

    def _may_begin(self, run: Run) -> bool:
        now = time.monotonic()
        return run.may_begin(now) and (now < self._ends or not self._progress)

    def _wait(self) -> list["Future[Answer]"]:
        """The requests that are over; waits for one unless there is something else to do."""
        if not self._by_flight:
            return []
        now = time.monotonic()
        pauses = [run.pause_ends - now for run in self._runs if run.going and run.pause_ends > now]
        linger = BEGINNING_SECONDS if self._tell_begun else LINGER_SECONDS
        timeout = 0.0 if any(map(self._may_begin, self._runs)) else min([linger, *pauses])
        landed = []
        with suppress(Empty):
            landed.append(self._landed.get(timeout > 0, timeout))
            ends = time.monotonic() + (0.0 if any(run.going for run in self._runs) else GATHER_SECONDS)
            while len(landed) < len(self._by_flight):
                landed.append(self._landed.get(timeout=max(0.0, ends - time.monotonic())))
        return landed

    def _is_idle(self) -> bool:
        waited = time.monotonic() - self._progress
        return waited >= LINGER_SECONDS and not any(map(self._may_begin, self._runs))

    def _land(self, landed: list["Future[Answer]"]) -> None:
        if landed:
            _land([(self._by_flight.pop(future), future) for future in landed])
            self._progress = time.monotonic()

    def _part(self, runs: list[Run]) -> None:
        """Give lanes back. Those that had no turn are named first: they come first next time."""
        if runs:
            self._runs = [run for run in self._runs if run not in runs]
            _give_back(sorted(runs, key=lambda run: run.begun > 0))

    def _leave(self) -> None:
        """Whatever hangs is not waited for: the request's own thread records what comes of it, and gives the lane back.

        A worker's slot is free for other lanes meanwhile.
        """
        for run in self._runs:
            run.going = False
            for future in list(run.flights):
                future.add_done_callback(partial(_land_late, run))


def _begin_next(run: Run) -> "Future[Answer] | None":
    try:
        return run.begin_next()
    except SecretError:
        _hold_unreadable(run.lease)
        run.going = False
        return None


def _guarded(run: Run, work: Callable[[], T]) -> T | None:
    """One lane's trouble must not cost the others their turn."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # whatever it is, the other lanes' turns go on
        log.error("A turn failed: %s.", describe(error), extra={"source_id": run.lease.source_id})
        run.going, run.trouble = False, True
        return None


def _land(landed: Sequence[tuple[Run, "Future[Answer]"]]) -> None:
    """Record the answers: 200s together, any other by itself."""
    accepted = [(run, future.result(), run.flights.pop(future)) for run, future in landed if _is_accepted(future)]
    for run, future in landed:
        if future in run.flights:
            _guarded(run, partial(run.land, future))
    if not accepted:
        return
    try:
        recorded(partial(recording.accept, [(sent, answer) for _, answer, sent in accepted]))
    except Exception as error:  # noqa: BLE001  # whatever it is, the lanes come to their end and are looked at again
        log.error("Answers could not be recorded: %s.", describe(error))
        for run, _, _ in accepted:
            run.going, run.trouble = False, True
    for run, _, _ in accepted:
        run.landed(going=True)


def _is_accepted(future: "Future[Answer]") -> bool:
    return future.exception() is None and future.result().outcome == Outcome.ACCEPTED


def _land_late(run: Run, future: "Future[Answer]") -> None:
    """In the request's own thread, after its turn is over."""
    try:
        with run.lock, every_tenant():
            _land([(run, future)])
            if not run.flights:
                _give_back([run])
    finally:
        connections.close_all()


def _hold_unreadable(lease: Lease) -> None:
    """Hold the lane, unless the key was replaced since: the lock keeps a new one from being saved in between."""
    with transaction.atomic():
        lanes.lock_source(lease.source_id)
        try:
            sending_credentials(lease.source_id)
        except SecretError:
            # integrations/secrets.py has logged one that was altered. A key that is missing from the ring is named by
            # `reencrypt_secrets --dry-run` alone.
            log.error("The write key cannot be read; the lane is held.", extra={"source_id": lease.source_id})
            lanes.hold(lease.source_id, Hold.KEY_UNREADABLE, KEY_UNREADABLE)


def _give_back(runs: Sequence[Run]) -> None:
    """If not even this is possible, the leases run out by themselves."""
    source_ids = [run.lease.source_id for run in runs]
    # First of all, and each: what one of them would keep, no turn of this process could ever take again.
    for run in runs:
        run.end_isolation()
    try:
        for run in runs:
            if run.trouble:
                lanes.wait(run.lease.source_id, TROUBLE_SECONDS)
        lanes.release(*(run.lease for run in runs))
        _hand_on(source_ids)
    except Error as error:
        log.warning("Leases were not given back: %s.", describe(error), extra={"source_ids": source_ids})
        connection.close()


def _hand_on(source_ids: Sequence[int]) -> None:
    """Look once more, after everything is released: what was captured while a turn found its lane empty is seen here.

    A capture that committed earlier sent its hint to a turn that could not get the lease, which was still ours.
    """
    by_region: defaultdict[str, list[int]] = defaultdict(list)
    for source_id, region, _failed in due(source_ids):
        by_region[region].append(source_id)
    for region, waiting in by_region.items():
        wake(sorted(waiting, key=source_ids.index), region)
