"""A region's share of a worker's slots for turns: three quarters, so that one that hangs leaves some for the other.

Hints that come when the share is taken are parked in this process, each lane once, and go back to the queue as soon as
a turn of the region ends. What is parked in a worker that dies is found by the sweep.
"""

import threading
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from celery.signals import celeryd_after_setup

from delivery.senders import senders
from delivery.turn import take_turn
from delivery.wake import LANES_PER_TURN, hint
from integrations.enums import Region


class _Slots:
    """How many turns of one region this process may take at once."""

    of_region = 6


@celeryd_after_setup.connect
def count_slots(instance: Any, **_kwargs: Any) -> None:
    """Once the worker knows its number of threads."""
    _Slots.of_region = max(1, instance.concurrency * 3 // 4)


class Share:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0
        self._parked: dict[int, None] = {}

    def take(self, source_ids: Sequence[int]) -> bool:
        """False when the share is taken; then the lanes are parked."""
        with self._lock:
            if self._taken >= _Slots.of_region:
                self._parked |= dict.fromkeys(source_ids)
                return False
            self._taken += 1
            return True

    def give_back(self) -> list[int]:
        """Lanes that were parked: as many as one turn takes."""
        with self._lock:
            self._taken -= 1
            parked = list(islice(self._parked, LANES_PER_TURN))
            for source_id in parked:
                del self._parked[source_id]
            return parked


_SHARES: Final = {region: Share() for region in Region.values}


def take_turn_of(region: str, source_ids: Sequence[int]) -> None:
    """Take a turn for lanes of this region, unless it has no slot or no thread for a request left."""
    share = _SHARES.get(region)
    if share is None:
        take_turn(source_ids)
    # With every thread at a request that hangs, the turn would read and cut for nothing. The sweep asks again.
    elif senders(Region(region)).has_room() and share.take(source_ids):
        try:
            take_turn(source_ids)
        finally:
            if parked := share.give_back():
                hint(parked, region)
