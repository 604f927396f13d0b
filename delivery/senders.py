"""The threads that make requests to Segment: so many for a process and region, and no more.

They touch no database. A region that hangs takes its own threads and none of the other's.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Final

from delivery.outcomes import Answer
from integrations.enums import Region

THREADS: Final = 64
"""For a process and region: a turn's fifty small lanes and the rest of the turn before; or eight lanes with deep
backlogs, each request with a body of at most 500 KB.
"""


class Senders:
    """Reserve a thread first: an attempt that was written down must not wait in a queue."""

    def __init__(self, name: str) -> None:
        self._free = THREADS
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=f"sender-{name}")

    @property
    def free(self) -> int:
        return self._free

    def reserve(self) -> bool:
        with self._lock:
            reserved = self._free > 0
            self._free -= reserved
        return reserved

    def give_back(self) -> None:
        with self._lock:
            self._free += 1

    def start(self, request: Callable[[], Answer]) -> "Future[Answer]":
        """Make the request, in the thread that was reserved."""
        future = self._pool.submit(request)
        future.add_done_callback(lambda _future: self.give_back())
        return future


_making = threading.Lock()


def senders(region: Region) -> Senders:
    """Those of this process, made when first needed: threads do not live on in a process that is forked."""
    with _making:
        return _made(region)


@cache
def _made(region: Region) -> Senders:
    return Senders(region.value)
