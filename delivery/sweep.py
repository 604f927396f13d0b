"""Finding the lanes that have something to send and nobody at work on them.

Whatever hint was lost, a lane is found here about a second later. Doing it twice, or late, changes nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from django.db import connection
from redis import Redis

from delivery.breaker import let_through
from delivery.errors import RedisUnavailableError
from delivery.heartbeat import note_sweep
from delivery.redis_link import ask
from delivery.wake import hint

QUEUED_TURNS: Final = 200
"""With so many hints waiting in a region's queue, the workers have enough of them: no more are added."""

LANES_PER_HINT: Final = 500
"""A worker takes a turn for fifty of them and hands the others on when it has begun. With a hint for each fifty, every
second anew, most of a worker's time went into hints while thousands of lanes waited.
"""

log = logging.getLogger(__name__)

DUE: Final = """
SELECT source.id, source.region, coalesce(lane.failures, 0) > 0
FROM integrations_source AS source LEFT JOIN delivery_lane AS lane ON lane.source_id = source.id
WHERE source.state = 'connected' AND (%(every)s OR source.id = ANY(%(ids)s))
    AND coalesce(lane.hold, '') = ''
    AND (lane.leased_until IS NULL OR lane.leased_until < clock_timestamp())
    AND (lane.not_before IS NULL OR lane.not_before <= clock_timestamp())
    AND (
        (SELECT min(event_id) FROM delivery_pending WHERE source_id = source.id) IS NOT NULL
        OR (
            SELECT min(id) FROM delivery_batch WHERE source_id = source.id AND state = 'open'
                AND (not_before IS NULL OR not_before <= clock_timestamp())
        ) IS NOT NULL
    )
ORDER BY source.id
"""
# The smallest instead of EXISTS: while one source has nearly all that is pending, or open, PostgreSQL expects to come
# upon a row of any source at once, and reads the whole table for each source that has nothing.


def due(source_ids: Sequence[int] | None = None) -> list[tuple[int, str, bool]]:
    """Id, region and whether it failed last, of each lane that could be worked on now; of all when no ids are given."""
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"every": source_ids is None, "ids": list(source_ids or [])})
        return [(source_id, region, failed) for source_id, region, failed in cursor.fetchall()]


def sweep() -> int:
    """Send a hint for each lane that is due; returns how many there are. Of a region that answers nobody one, at most.

    A lane that failed last gets a hint of its own: its request may hang, and must not keep others waiting behind it.
    """
    lanes = due()
    healthy: defaultdict[str, list[int]] = defaultdict(list)
    for source_id, region, failed in let_through(lanes):
        if failed and _has_room(region):
            hint([source_id], region)
        elif not failed:
            healthy[region].append(source_id)
    for region, source_ids in healthy.items():
        if _has_room(region):
            hint(source_ids, region, at_once=LANES_PER_HINT)
    note_sweep()
    return len(lanes)


def _has_room(region: str) -> bool:
    def length(redis: Redis) -> int:
        return int(redis.llen(region))

    try:
        return ask(length) < QUEUED_TURNS
    except RedisUnavailableError:
        return False
