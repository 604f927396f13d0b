"""A breaker for each region: while it answers nobody, one request at a time asks whether it does again.

Note: how it works. Redis has, for each region, the set of sources whose request failed in a way that speaks of the
region: no connection, no answer, a 5xx. Three of them with no better answer in between open the breaker: a permit
(delivery/gcra.lua) then goes only to the one request that sets the probe's key, and the sweep wakes one lane instead of
all. Any answer below 500 empties the set. Both keys run out by themselves, so a breaker that nobody feeds is closed;
emptying Redis closes it too. Without Redis there is none, and the backoff of each lane is left.

The number of failing sources comes with each permit. So a healthy region costs no question of its own: Redis is told of
a failure, and of a good answer only after a permit that knew of failures.
"""

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from redis import Redis

from delivery.enums import Outcome
from delivery.errors import RedisUnavailableError
from delivery.outcomes import Answer
from delivery.redis_link import ask
from integrations.enums import Region

FAILING_SOURCES: Final = 3
"""So many customers at once are not each in trouble of their own."""

PROBE_SECONDS: Final = 30
"""Longer than a request can last (delivery/client.py): after a worker that died in it, another one may ask."""

BETWEEN_PROBES_SECONDS: Final = 5
"""After a probe that failed."""

REMEMBERED_SECONDS: Final = 120
"""Since the last failure. A region that nobody asks is not known to fail."""

KEPT_OUT_SECONDS: Final = 2.0
"""A lane that the breaker keeps out is left alone for so long; the sweep does not wake it before its region answers."""

SPEAK_OF_REGION: Final = frozenset({Outcome.NOT_SENT, Outcome.TIMEOUT, Outcome.BROKEN, Outcome.SERVER_ERROR})

log = logging.getLogger(__name__)

Due = tuple[int, str, bool]
"""Source id, region, and whether its last request failed: as delivery/sweep.py finds them."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of a region. `probing`: a probe is under way, or the pause after one."""

    failing: int = 0
    probing: bool = False

    @property
    def is_open(self) -> bool:
        return self.failing >= FAILING_SOURCES

    def choose(self, lanes: Sequence[Due], pick: Callable[[Sequence[Due]], Due] = random.choice) -> list[Due]:
        """Which of the region's due lanes to wake: all, or one that may probe, or none.

        A lane that did not fail itself is the better probe: its request can have no trouble but the region's.
        """
        if not self.is_open:
            return list(lanes)
        return [] if self.probing else [pick([lane for lane in lanes if not lane[2]] or lanes)]


def keys(region: str) -> tuple[str, str]:
    """Names in Redis: the set of failing sources, and the probe."""
    return f"headwater:failing:{region}", f"headwater:probe:{region}"


def breakers() -> dict[str, Breaker]:
    """By region, in one round trip. All are closed without Redis."""
    try:
        found = ask(_read)
    except RedisUnavailableError:
        return {region: Breaker() for region in Region.values}
    states = zip(Region.values, found[::2], found[1::2], strict=True)
    # What lasts longer than any probe is of before Redis' clock was put back: the next permit takes it away.
    return {region: Breaker(failing, 0 <= left <= PROBE_SECONDS * 1_000) for region, failing, left in states}


def let_through(lanes: Iterable[Due]) -> list[Due]:
    """Those of the due lanes that the sweep wakes."""
    by_region: defaultdict[str, list[Due]] = defaultdict(list)
    for lane in lanes:
        by_region[lane[1]].append(lane)
    known = breakers() if by_region else {}
    return [lane for region, waiting in by_region.items() for lane in known[region].choose(waiting)]


def heard(region: str, failing: int) -> None:
    """What a permit said."""
    if failing:
        _doubted.add(region)


def answered(region: str, source_id: int, answer: Answer) -> None:
    """An attempt has ended so. Never raises; asks Redis only when something fails or did."""
    try:
        if answer.outcome in SPEAK_OF_REGION:
            ask(partial(_failed, region, source_id))
        elif answer.status_code and region in _doubted:
            ask(partial(_recovered, region))
    except RedisUnavailableError:
        log.info("Redis does not answer: the breaker of region %s was not told.", region)


_doubted: Final[set[str]] = set()
"""Regions of which this process's permits knew failures, and nobody here told better since."""


def _read(redis: Redis) -> list[int]:
    pipeline = redis.pipeline(transaction=False)
    for region in Region.values:
        failing, probe = keys(region)
        pipeline.scard(failing)
        pipeline.pttl(probe)
    return list(pipeline.execute())


def _failed(region: str, source_id: int, redis: Redis) -> None:
    failing, probe = keys(region)
    pipeline = redis.pipeline()
    pipeline.sadd(failing, source_id)
    pipeline.expire(failing, REMEMBERED_SECONDS)
    pipeline.scard(failing)
    pipeline.get(probe)
    added, _, count, prober = pipeline.execute()
    if added and count == FAILING_SOURCES:
        log.warning("Region %s answers nobody: one request at a time is tried.", region, extra={"region": region})
    # Older requests end as well while a probe is under way: only its own end lets the next one go.
    if prober is not None and int(prober) == source_id:
        redis.expire(probe, BETWEEN_PROBES_SECONDS)


def _recovered(region: str, redis: Redis) -> None:
    _doubted.discard(region)
    failing, probe = keys(region)
    pipeline = redis.pipeline()
    pipeline.scard(failing)
    pipeline.delete(failing, probe)
    count, _ = pipeline.execute()
    if count >= FAILING_SOURCES:
        log.warning("Region %s answers again.", region, extra={"region": region})
