"""A region's share of a worker's slots for turns: three quarters, so that one that hangs leaves some for the other.

Hints that come when the share is taken are parked in this process, each lane once, and go back to the queue as soon as
a turn of the region ends. What is parked in a worker that dies is found by the sweep.
"""

import threading
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from celery.signals import celeryd_after_setup, task_postrun, task_prerun, worker_shutting_down

from delivery.senders import senders
from delivery.turn import take_turn
from delivery.wake import LANES_PER_TURN, hint
from integrations.enums import Region


class _Slots:
    """How many turns of one region this process may take at once, and how many of its slots have a task of any kind."""

    of_region = 6
    taken = 0
    lock = threading.Lock()


@celeryd_after_setup.connect
def count_slots(instance: Any, **_kwargs: Any) -> None:
    """Once the worker knows its number of threads."""
    _Slots.of_region = max(1, instance.concurrency * 3 // 4)


@task_prerun.connect
def take_slot(**_kwargs: Any) -> None:
    with _Slots.lock:
        _Slots.taken += 1


@task_postrun.connect
def give_slot_back(**_kwargs: Any) -> None:
    with _Slots.lock:
        _Slots.taken -= 1


_ending: Final = threading.Event()


@worker_shutting_down.connect
def end_turns(**_kwargs: Any) -> None:
    """A worker that is told to stop waits for its turns: they end at their next moment."""
    _ending.set()


class Share:
    """Of the turns that begin one after another each takes all that waits: a hint for each of a thousand small lanes
    comes to turns of fifty lanes, which cost little more than turns of one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0
        self._beginning: list[int] | None = None
        self._parked: dict[int, None] = {}

    def park(self, source_ids: Sequence[int]) -> None:
        with self._lock:
            self._parked |= dict.fromkeys(source_ids)

    def take(self, most: int = LANES_PER_TURN) -> list[int]:
        """Lanes for a turn to begin with; none while the share is taken or another turn is just beginning."""
        with self._lock:
            if self._beginning or self._taken >= _Slots.of_region or not self._parked:
                return []
            self._taken += 1
            self._beginning = self._next(most)
            return self._beginning

    def begun(self, lanes: list[int]) -> list[int]:
        """The turn with these has most of its requests behind it. Gives lanes for another hint."""
        with self._lock:
            if self._beginning is not lanes:
                return []
            self._beginning = None
            return self._next() if self._taken < _Slots.of_region else []

    def has_slots(self) -> bool:
        """Whether a hint that comes finds a slot: then nobody waits for the turns that are at work.

        Turns of both regions and slow tasks can fill all slots though no region has taken its share.
        """
        with self._lock:
            return max(self._taken + 1, _Slots.taken) <= _Slots.of_region and not _ending.is_set()

    def give_back(self, lanes: list[int]) -> list[int]:
        """The turn with these is over. Gives lanes for another hint."""
        with self._lock:
            self._taken -= 1
            if self._beginning is lanes:
                self._beginning = None
            return self._next()

    def _next(self, most: int = LANES_PER_TURN) -> list[int]:
        """As many as one turn takes."""
        lanes = list(islice(self._parked, min(most, LANES_PER_TURN)))
        for source_id in lanes:
            del self._parked[source_id]
        return lanes


_SHARES: Final = {region: Share() for region in Region.values}


def take_turn_of(region: str, source_ids: Sequence[int]) -> None:
    """Take a turn for lanes of this region, unless it has no slot or no thread for a request left."""
    share = _SHARES.get(region)
    if share is None:
        take_turn(source_ids)
        return
    share.park(source_ids)
    # For more lanes than there are threads the turn would read and cut for nothing. With every thread at a request that
    # hangs, the sweep asks again.
    free = senders(Region(region)).free
    if free and (lanes := share.take(free)):
        try:
            take_turn(lanes, begun=lambda: hint(share.begun(lanes), region), may_go_on=share.has_slots)
        finally:
            hint(share.give_back(lanes), region)
