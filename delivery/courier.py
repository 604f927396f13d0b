"""One thread of the process that carries hints to the broker, so that whoever captures never waits for it.

What waits here is lost when the process ends, and that is well: a hint may be lost, the sweep finds the lane. So the
thread keeps no process from ending, and nobody asks it to hurry.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from delivery.errors import describe

MOST_WAITING: Final = 10_000
"""Lanes of a region, while the broker does not answer; the sweep finds the others."""

log = logging.getLogger(__name__)


class Courier:
    """Gives lanes to `carry(source_ids, region)`. Those that come meanwhile wait, each once, and then go together."""

    def __init__(self, carry: Callable[[Sequence[int], str], None]) -> None:
        self._carry = carry
        self._begin()
        # A forked child has neither the thread nor, perhaps, a lock that anybody will release.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._waiting: dict[str, dict[int, None]] = {}
        self._changed = threading.Condition()
        self._on_the_way = False
        self._thread: threading.Thread | None = None

    def take(self, source_ids: Sequence[int], region: str) -> None:
        """Never waits."""
        with self._changed:
            lanes = self._waiting.setdefault(region, {})
            lanes |= dict.fromkeys(islice(source_ids, max(0, MOST_WAITING - len(lanes))))
            self._changed.notify_all()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="hints", daemon=True)
                # It may be refused; then the next hint asks for one again.
                thread.start()
                self._thread = thread

    def is_done(self, seconds: float) -> bool:
        """Whether all that was taken has been carried, or is within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._on_the_way, seconds)

    def _run(self) -> None:
        while True:
            for region, lanes in self._next().items():
                try:
                    self._carry(list(lanes), region)
                except Exception as error:  # noqa: BLE001  # the next hints must find the thread alive
                    log.error("Hints were not carried: %s.", describe(error))

    def _next(self) -> dict[str, dict[int, None]]:
        """What waits, as soon as something does; asking for it says that all before is done."""
        with self._changed:
            self._on_the_way = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting)
            waiting, self._waiting = self._waiting, {}
            self._on_the_way = True
            return waiting
