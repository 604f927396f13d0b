"""At most 50 requests a second for a write key in a region, over all workers: Segment's rule for partners.

Note: the numbers. Even spacing of 1/48 s with a burst of one lets 49 requests at most begin in any second. A bucket
that fills up while nobody sends lets more through in the second after. 50 a second may arrive, so requests may be 41 ms
early or late on their way; at 1/49 s it would be 20, and a busy machine was seen to take longer.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.conf import settings
from redis import Redis
from redis.commands.core import Script

from delivery import breaker
from delivery.errors import RedisUnavailableError
from delivery.redis_link import REST_SECONDS, ask
from integrations.spec.limits import REQUESTS_PER_SECOND

INTERVAL: Final = 1_000_000 // (REQUESTS_PER_SECOND - 2) + 1
"""Microseconds between two requests."""

PATIENCE: Final = 100_000
"""Microseconds a turn sleeps for a permit at most; a longer wait is the lane's, not the worker's."""

LATE_SECONDS: Final = 0.015
"""A permit that is older is given up; see the note for what is left for the way."""

KEEP_TRYING_SECONDS: Final = 10.0
"""For another permit in place of one that came too late. The lease outlasts that and the request."""

COUNTS: Final = "headwater:limiter"
"""The hash in which gcra.lua counts the waits: a field for each bound in milliseconds, and the sum in microseconds."""

SHARED: Final = "headwater:limiter:shared"
"""Is there while processes keep to their shares though Redis is back for some of them."""

SINCE: Final = "headwater:limiter:since"
"""When Redis was first asked for a permit since it was empty. For a third of a second it gives none."""

OWN_SHARE: Final = -1
"""The wait that Redis answers then."""

FIRST_SECONDS: Final = REST_SECONDS + 1
"""After Redis failed, the first permit of this process' own share: it has asked Redis again by then."""

SHARED_MILLISECONDS: Final = round((FIRST_SECONDS + 1) * 1_000)

SCRIPT: Final = (Path(__file__).parent / "gcra.lua").read_text()


class Asked(NamedTuple):
    """Who asks for a permit. Without a region the breaker is not asked.

    In microseconds: the request will begin `lead` from now at the earliest, and may begin up to `span` late, which is
    `PATIENCE` at most; the key's next permit comes that much later.
    """

    rate_key: str
    region: str = ""
    source_id: int = 0
    lead: int = 0
    span: int = 0


@dataclass(frozen=True, slots=True)
class Permit:
    """For one request at a moment, on the monotonic clock; `wait` seconds from `asked_at` at the earliest.

    Redis gave it at some time between `asked_at` and `given_at`. So the request begins no earlier than `wait` after the
    later one, and its lateness counts from the earlier one. `span` more seconds of it were asked for.
    """

    rate_key: str
    wait: float
    asked_at: float
    given_at: float
    span: float = 0.0

    @property
    def is_given(self) -> bool:
        """If not, ask again after `wait`."""
        return self.wait <= patience()

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.given_at + self.wait - time.monotonic())

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self.asked_at + self.wait + LATE_SECONDS + self.span


def permit(rate_key: str, region: str = "", source_id: int = 0) -> Permit:
    return permits([Asked(rate_key, region, source_id)])[0]


def permits(asked: Sequence[Asked]) -> list[Permit]:
    """As `permit`, for several keys in one round trip."""
    asked_at = time.monotonic()
    try:
        waits = ask(partial(_permits, asked))
        if OWN_SHARE not in waits and _LOCAL.leave():
            waits = ask(partial(_return_together, asked))
    except RedisUnavailableError:
        waits = [OWN_SHARE] * len(asked)
    waits = [_LOCAL.permit(each) if wait == OWN_SHARE else wait for each, wait in zip(asked, waits, strict=True)]
    given_at = time.monotonic()
    return [_permit(each, wait, asked_at, given_at) for each, wait in zip(asked, waits, strict=True)]


def _permit(asked: Asked, wait: int, asked_at: float, given_at: float) -> Permit:
    """With a lead it is as if it had been asked for that much later."""
    lead = asked.lead / 1_000_000
    return Permit(asked.rate_key, wait / 1_000_000, asked_at + lead, given_at + lead, asked.span / 1_000_000)


def keep(permit_: Permit) -> bool:
    """Sleep until the permit's moment. False when it came too late and another one was not to be had.

    Whatever held up this process between the permit and the request, and however many of its requests: they do not
    come all at once afterwards.
    """
    ends = time.monotonic() + KEEP_TRYING_SECONDS
    time.sleep(permit_.seconds_left)
    while permit_.is_late:
        another = permit(permit_.rate_key)
        if time.monotonic() + another.seconds_left > ends:
            return False
        permit_ = another if another.is_given else permit_
        time.sleep(another.seconds_left)
    return True


def patience() -> float:
    """The longest wait, in seconds, that comes with a permit."""
    return PATIENCE / 1_000_000


def _permits(asked: Sequence[Asked], redis: Redis) -> list[int]:
    if len(asked) == 1:
        answers = [_script()(**_question(asked[0]), client=redis)]
    else:
        pipeline = redis.pipeline(transaction=False)
        for each in asked:
            _script()(**_question(each), client=pipeline)
        answers = pipeline.execute()
    for each, (_wait, failing) in zip(asked, answers, strict=True):
        breaker.heard(each.region, failing)
    return [wait for wait, _failing in answers]


def _return_together(asked: Sequence[Asked], redis: Redis) -> list[int]:
    """The first process that finds Redis back makes all wait for the others, who still leave it alone."""
    redis.set(SHARED, 1, nx=True, px=SHARED_MILLISECONDS)
    return _permits(asked, redis)


def _question(asked: Asked) -> dict[str, Any]:
    names = [f"headwater:rate:{asked.rate_key}", COUNTS, SHARED, SINCE]
    if asked.region:
        names += breaker.keys(asked.region)
    kept_out = round(breaker.KEPT_OUT_SECONDS * 1_000_000)
    limits = [INTERVAL, PATIENCE, breaker.FAILING_SOURCES, breaker.PROBE_SECONDS, kept_out]
    return {"keys": names, "args": [*limits, asked.source_id, asked.lead, asked.span, SHARED_MILLISECONDS]}


@cache
def _script() -> Script:
    """Sent by its hash; redis-py loads it again into a Redis that was emptied."""
    return Redis().register_script(SCRIPT)


class LocalShare:
    """The same spacing within this process, for as long as Redis does not answer: its share of the 48 a second.

    The first permit of an outage comes late: by then Redis was asked once more, so a failure that only this process saw
    adds nothing to what the others get from Redis, and the last permits of Redis have left the second that counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: int | None = None
        self._free: dict[str, int] = {}

    def permit(self, asked: Asked) -> int:
        """Microseconds to wait after the lead; a permit is taken when they are no more than `PATIENCE`."""
        interval = INTERVAL * settings.WORKER_PROCESSES
        with self._lock:
            now = time.monotonic_ns() // 1_000
            self._begun = now if self._begun is None else self._begun
            earliest = now + asked.lead
            free = max(self._free.get(asked.rate_key, 0), self._begun + round(FIRST_SECONDS * 1_000_000), earliest)
            wait = free - earliest
            if wait <= PATIENCE:
                self._free[asked.rate_key] = free + asked.span + interval
            return wait

    def leave(self) -> bool:
        """Redis answers again. Whether permits were given here meanwhile, and so by other processes too, perhaps."""
        with self._lock:
            used = bool(self._free)
            self._begun, self._free = None, {}
            return used


_LOCAL: Final = LocalShare()
