"""When the sweep last ran: without a beat, or without a worker on its queue, retries wait for ever and nobody is told.

It is kept in Redis alone. The beat's tasks come through the same Redis: where this is lost, the sweep is too.
"""

import logging
import math
from typing import Final

from delivery.errors import RedisUnavailableError
from delivery.redis_link import ask

LATE_SECONDS: Final = 15.0
"""The sweep runs each second."""

SWEPT: Final = "headwater:swept"
_KEPT_SECONDS: Final = 86_400

log = logging.getLogger(__name__)


def note_sweep() -> None:
    try:
        ask(lambda redis: redis.set(SWEPT, 1, ex=_KEPT_SECONDS))
    except RedisUnavailableError:
        log.info("Redis does not answer: nobody will know of this sweep.")


def sweep_age() -> float:
    """Seconds since the last sweep; infinite when none is known of. Raises RedisUnavailableError."""
    return age_of(ask(lambda redis: redis.pttl(SWEPT)))


def age_of(left: int) -> float:
    """Seconds since the last sweep, by the milliseconds that its key has left: so Redis' own clock counts."""
    return _KEPT_SECONDS - left / 1_000 if left >= 0 else math.inf
