"""Telling the workers that a lane has something to send: a hint, which may be lost or come twice.

The database is the truth, and the sweep finds what no hint told of. A flag of one second per lane keeps a thousand
captures from sending a thousand hints; a turn takes the flag away before it reads, so a capture that finds the flag
set is always read by a turn that has not read yet.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from celery import current_app
from django.db import transaction
from redis import Redis

from delivery.courier import Courier
from delivery.errors import RedisUnavailableError, describe
from delivery.heartbeat import LATE_SECONDS, SWEPT, age_of
from delivery.redis_link import ask, leave_alone
from integrations.enums import SourceState
from integrations.models import Source

TURN: Final = "delivery.tasks.turn"
FLAG_SECONDS: Final = 1
LANES_PER_TURN: Final = 50
ENOUGH_QUEUED: Final = 32
"""With so many hints waiting in a region's queue no more are sent: a task costs a worker some 3 ms, and the sweep's
hints, of many lanes each, come within a second. Unless no sweep runs: then nothing else would tell of the lane.
"""

log = logging.getLogger(__name__)


def wake_after_commit(sources: Iterable[Source]) -> None:
    """Wake the connected ones once the transaction that is open now has committed. The caller waits for no broker."""
    by_region: defaultdict[str, list[int]] = defaultdict(list)
    for source in sources:
        if source.state == SourceState.CONNECTED:
            by_region[source.region].append(source.pk)

    # Not a partial: Django asks a hook that failed for its name, and a partial has none.
    def take() -> None:
        for region, source_ids in by_region.items():
            courier.take(source_ids, region)

    if by_region:
        transaction.on_commit(take, robust=True)


def wake(source_ids: Sequence[int], region: str) -> None:
    """Send a hint for those of the lanes that have none under way. Never raises, never waits long."""
    try:
        fresh = ask(partial(_set_flags, source_ids, region))
    except RedisUnavailableError:
        log.warning("Redis does not answer: the sweep will wake the lanes.", extra={"source_ids": list(source_ids)})
        return
    hint(fresh, region)


courier: Final = Courier(wake)


def hint(source_ids: Sequence[int], region: str, *, at_once: int = LANES_PER_TURN) -> None:
    """Send the hints, each for so many lanes, flag or no flag. Never raises."""
    for start in range(0, len(source_ids), at_once):
        some = list(source_ids[start : start + at_once])
        try:
            current_app.send_task(TURN, [some], queue=region, retry=False, ignore_result=True)
        except Exception as error:  # noqa: BLE001  # whatever a broken broker raises: the caller's work is done and stays so
            leave_alone()
            log.warning("A wake-up hint was not sent: %s.", describe(error), extra={"source_ids": some})
            return


def clear_flags(source_ids: Sequence[int]) -> None:
    """Let the next capture send a hint again: to be called before a turn reads anything."""
    try:
        ask(lambda redis: redis.delete(*map(_flag, source_ids)))
    except RedisUnavailableError:
        log.warning("Redis does not answer: wake-up flags run out by themselves.")


def _set_flags(source_ids: Sequence[int], region: str, redis: Redis) -> list[int]:
    """Those that had no flag, and now have one. None while there are enough hints and the sweep runs."""
    pipeline = redis.pipeline(transaction=False)
    for source_id in source_ids:
        pipeline.set(_flag(source_id), 1, nx=True, ex=FLAG_SECONDS)
    pipeline.llen(region)
    pipeline.pttl(SWEPT)
    *flags, queued, left = pipeline.execute()
    if queued >= ENOUGH_QUEUED and age_of(left) < LATE_SECONDS:
        return []
    return [source_id for source_id, fresh in zip(source_ids, flags, strict=True) if fresh]


def _flag(source_id: int) -> str:
    return f"headwater:wake:{source_id}"
