"""At most 50 requests a second for a write key in a region, over all workers: Segment's rule for partners.

Note: the numbers. Even spacing of 1/49 s with a burst of one lets 50 requests at most begin in any second, and still
49 a second through. A bucket that fills up while nobody sends lets more through in the second after.
"""

import threading
import time
from collections.abc import Sequence
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
    return permits([rate_key])[0]


def permits(rate_keys: Sequence[str]) -> list[float]:
    """As `permit`, for several keys in one round trip."""
    try:
        waits = ask(partial(_permits, rate_keys))
    except RedisUnavailableError:
        waits = [_LOCAL.permit(rate_key) for rate_key in rate_keys]
    return [wait / 1_000_000 for wait in waits]


def patience() -> float:
    """The longest wait, in seconds, that comes with a permit."""
    return PATIENCE / 1_000_000


def _permits(rate_keys: Sequence[str], redis: Redis) -> list[int]:
    if len(rate_keys) == 1:
        return [_script()(keys=_names(rate_keys), args=[INTERVAL, PATIENCE], client=redis)]
    pipeline = redis.pipeline(transaction=False)
    for name in _names(rate_keys):
        _script()(keys=[name], args=[INTERVAL, PATIENCE], client=pipeline)
    return list(pipeline.execute())


def _names(rate_keys: Sequence[str]) -> list[str]:
    return [f"headwater:rate:{rate_key}" for rate_key in rate_keys]


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
