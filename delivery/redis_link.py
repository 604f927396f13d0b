"""Redis, or Valkey: hints and counters, which the engine can do without.

One that is down or frozen must not hold anybody up: a call waits half a second for it, and after a failure nobody in
this process asks again for a few seconds.
"""

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Final, TypeVar

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from delivery.errors import RedisUnavailableError

TIMEOUT_SECONDS: Final = 0.5
REST_SECONDS: Final = 5.0

T = TypeVar("T")


class _Rest:
    """Until when, on the monotonic clock, this process leaves Redis alone."""

    until = 0.0


def ask(command: Callable[[Redis], T]) -> T:
    """What `command` gives. Raises RedisUnavailableError, at once while Redis is left alone."""
    if time.monotonic() < _Rest.until:
        raise RedisUnavailableError
    try:
        return command(_connection(settings.REDIS_URL))
    except (RedisError, OSError) as error:
        leave_alone()
        raise RedisUnavailableError from error


def leave_alone() -> None:
    _Rest.until = time.monotonic() + REST_SECONDS


def try_again() -> None:
    """Forget that Redis did not answer."""
    _Rest.until = 0.0


_making = threading.Lock()


def _connection(url: str) -> Redis:
    """One pool for the process, also when threads come first together."""
    with _making:
        return _made(url)


@cache
def _made(url: str) -> Redis:
    # redis-py retries three times with pauses unless told not to, and waits for ever unless given timeouts.
    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
