"""At most 50 requests a second for a write key in a region, over all workers: Segment's rule for partners.

Note: the numbers. Even spacing of 1/49 s with a burst of one lets 50 requests at most begin in any second, and still
49 a second through. A bucket that fills up while nobody sends lets more through in the second after.
"""

import threading
import time
from functools import cache, partial
from pathlib import Path
from typing import Final

from django.conf import settings
from redis import Redis
from redis.commands.core import Script

from delivery.errors import RedisUnavailableError
from delivery.redis_link import ask
from integrations.spec.limits import REQUESTS_PER_SECOND

INTERVAL: Final = 1_000_000 // (REQUESTS_PER_SECOND - 1) + 1
"""Microseconds between two requests."""

PATIENCE: Final = 100_000
"""Microseconds a turn sleeps for a permit at most; a longer wait is the lane's, not the worker's."""

SCRIPT: Final = (Path(__file__).parent / "gcra.lua").read_text()


def permit(rate_key: str) -> float:
    """Seconds to wait before the request. Over `patience()` there is no permit: ask again after that time."""
    try:
        wait = ask(partial(_permit, rate_key))
    except RedisUnavailableError:
        wait = _LOCAL.permit(rate_key)
    return wait / 1_000_000


def patience() -> float:
    """The longest wait, in seconds, that comes with a permit."""
    return PATIENCE / 1_000_000


def _permit(rate_key: str, redis: Redis) -> int:
    wait: int = _script()(keys=[f"headwater:rate:{rate_key}"], args=[INTERVAL, PATIENCE], client=redis)
    return wait


@cache
def _script() -> Script:
    """Sent by its hash; redis-py loads it again into a Redis that was emptied."""
    return Redis().register_script(SCRIPT)


class LocalShare:
    """The same spacing within this process, for as long as Redis does not answer: its share of the 49 a second.

    A key's first permit comes a second late, so that the last ones given out by Redis have left the second that counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[str, int] = {}

    def permit(self, rate_key: str) -> int:
        """Microseconds to wait; a permit is taken when they are no more than `PATIENCE`."""
        interval = INTERVAL * settings.WORKER_PROCESSES
        with self._lock:
            now = time.monotonic_ns() // 1_000
            free = self._free.get(rate_key, 0)
            if now - free > 60_000_000:  # noqa: PLR2004  # not asked for a minute: another outage
                free = now + 1_000_000
            free = max(free, now)
            wait = free - now
            self._free[rate_key] = free + interval if wait <= PATIENCE else free
            return wait


_LOCAL: Final = LocalShare()
