"""An empty Redis that has been at work for long: one that is new gives no permit for a third of a second."""

from delivery.limiter import SINCE
from delivery.redis_link import ask


def empty_redis() -> None:
    ask(lambda redis: redis.flushdb())
    ask(lambda redis: redis.set(SINCE, 1))
