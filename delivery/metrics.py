"""The state of the engine for Prometheus, read when it is asked for. No label names a tenant or a source.

docs/metrics.md lists them. A scrape costs four queries, whose work grows with the number of sources and with what
waits (counted up to 100,000 events a source), and three round trips to Redis.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import InterfaceError, OperationalError, connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis

from delivery import breaker
from delivery.enums import Outcome
from delivery.errors import RedisUnavailableError
from delivery.heartbeat import sweep_age
from delivery.limiter import COUNTS
from delivery.partitions import place
from delivery.redis_link import ask
from integrations.enums import Region

COUNTED_PER_SOURCE: Final = 100_000
SENDING: Final = "sending"
STATES: Final = (SENDING, "held", "paused", "shadow", "disconnected")
"""Of what waits: whether anything but time keeps it from being sent."""
QUEUES: Final = (*Region.values, "sweep", "exports")

BOUNDS: Final = (("0", "0.0"), ("20", "0.02"), ("50", "0.05"), ("100", "0.1"), ("more", "+Inf"))


def exposition() -> bytes:
    registry = CollectorRegistry()
    registry.register(EngineCollector())
    return generate_latest(registry)


class EngineCollector(Collector):
    """Never fails: what cannot be read is left out, and `up` says of what."""

    def describe(self) -> list[Metric]:
        """None: otherwise registering would collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("headwater_up", "1 when the server answers.", labels=["server"])
        try:
            families = _database()
            up.add_metric(["database"], 1)
        except (InterfaceError, OperationalError):
            families = []
            up.add_metric(["database"], 0)
        try:
            families += _redis()
            up.add_metric(["redis"], 1)
        except RedisUnavailableError:
            up.add_metric(["redis"], 0)
        yield up
        yield from families


@dataclass(frozen=True, slots=True)
class _Lanes:
    """Lanes that are alike. `age` is that of their oldest waiting event, in seconds."""

    region: str
    state: str
    hold: str
    count: int
    waiting: int
    age: float | None

    @property
    def events(self) -> str:
        return self.state if self.state in STATES else SENDING


LANES: Final = """
SELECT region, state, hold, count(*), sum(pending + open)::bigint, extract(epoch FROM clock_timestamp() - least(
    min(since), (SELECT captured_at FROM delivery_event WHERE id = min(first))
))::float
FROM (
    SELECT source.region, coalesce(lane.hold, '') AS hold, pending.count AS pending, pending.first,
        open.count AS open, open.since,
        CASE
            WHEN source.state <> 'connected' THEN source.state
            WHEN lane.hold <> '' THEN 'held'
            WHEN lane.leased_until > clock_timestamp() THEN 'working'
            WHEN pending.count + open.count = 0 THEN 'idle'
            WHEN lane.not_before > clock_timestamp() THEN 'waiting'
            ELSE 'ready'
        END AS state
    FROM integrations_source AS source LEFT JOIN delivery_lane AS lane ON lane.source_id = source.id
    CROSS JOIN LATERAL (
        SELECT count(*), min(event_id) AS first FROM (
            SELECT event_id FROM delivery_pending WHERE source_id = source.id ORDER BY event_id LIMIT %s
        ) AS head
    ) AS pending
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(event_count), 0) AS count, min(waiting_since) AS since FROM delivery_batch
        WHERE source_id = source.id AND state = 'open'
    ) AS open
) AS lane GROUP BY region, state, hold
"""

ATTEMPTS: Final = """
SELECT region, outcome, count(*) FROM delivery_attempt WHERE started_at > statement_timestamp() - interval '1 minute'
GROUP BY region, outcome
"""
# Not clock_timestamp(): a time that changes while the statement runs is looked for in no index.


def _database() -> list[Metric]:
    with connection.cursor() as cursor:
        cursor.execute(LANES, [COUNTED_PER_SOURCE])
        lanes = [_Lanes(*row) for row in cursor.fetchall()]
        cursor.execute(ATTEMPTS)
        attempts = {(region, outcome): count for region, outcome, count in cursor.fetchall()}
        cursor.execute("SELECT count(*) FROM delivery_ratehold WHERE until > clock_timestamp()")
        (held_keys,) = cursor.fetchone()
    holds = GaugeMetricFamily("headwater_rate_holds", "Write keys that Segment asked to pause (429).", held_keys)
    room = GaugeMetricFamily(
        "headwater_event_ids_ahead",
        "Events that the log has partitions for, before somebody makes more.",
        place().ahead,
    )
    return [*_waiting(lanes), _lanes(lanes), _attempts(attempts), holds, room]


def _lanes(lanes: list[_Lanes]) -> Metric:
    family = GaugeMetricFamily(
        "headwater_lanes", "Sources by what their lane does, and why if it is held.", labels=["region", "state", "hold"]
    )
    for alike in lanes:
        family.add_metric([alike.region, alike.state, alike.hold if alike.state == "held" else ""], alike.count)
    return family


def _waiting(lanes: list[_Lanes]) -> list[Metric]:
    labels = ["region", "state"]
    count = GaugeMetricFamily("headwater_waiting_events", "Captured and not yet accepted or given up.", labels=labels)
    age = GaugeMetricFamily(
        "headwater_oldest_waiting_event_age_seconds", "Since its capture or replay; 0 when none waits.", labels=labels
    )
    for region in Region.values:
        for state in STATES:
            alike = [each for each in lanes if (each.region, each.events) == (region, state)]
            count.add_metric([region, state], sum(each.waiting for each in alike))
            age.add_metric([region, state], max((each.age or 0.0 for each in alike), default=0.0))
    return [count, age]


def _attempts(found: dict[tuple[str, str], int]) -> Metric:
    family = GaugeMetricFamily(
        "headwater_attempts_last_minute", "Requests begun in the last 60 s, by answer.", labels=["region", "outcome"]
    )
    for region in Region.values:
        for outcome in Outcome.values:
            family.add_metric([region, outcome], found.get((region, outcome), 0))
    return family


def _redis() -> list[Metric]:
    def read(redis: Redis) -> list[Any]:
        pipeline = redis.pipeline(transaction=False)
        for queue in QUEUES:
            pipeline.llen(queue)
        pipeline.hgetall(COUNTS)
        return list(pipeline.execute())

    *lengths, waits = ask(read)
    swept = GaugeMetricFamily("headwater_last_sweep_age_seconds", "Infinite when none is known of.", sweep_age())
    queued = GaugeMetricFamily("headwater_queued_tasks", "Hints that no worker has taken yet.", labels=["queue"])
    for queue, length in zip(QUEUES, lengths, strict=True):
        queued.add_metric([queue], length)
    return [queued, _waits({name.decode(): int(value) for name, value in waits.items()}), swept, *_breakers()]


def _breakers() -> list[Metric]:
    failing = GaugeMetricFamily(
        "headwater_failing_sources", "That failed in a row, none of the region succeeding since.", labels=["region"]
    )
    is_open = GaugeMetricFamily(
        "headwater_breaker_open", "1 while one request at a time asks whether the region answers.", labels=["region"]
    )
    for region, state in breaker.breakers().items():
        failing.add_metric([region], state.failing)
        is_open.add_metric([region], state.is_open)
    return [failing, is_open]


def _waits(counted: dict[str, int]) -> Metric:
    """Redis counts each wait once, Prometheus in every bucket that it fits."""
    total = 0
    buckets: list[tuple[str, float]] = []
    for field, bound in BOUNDS:
        total += counted.get(field, 0)
        buckets.append((bound, total))
    family = HistogramMetricFamily(
        "headwater_permit_wait_seconds", "For a permit of the limiter; over 0.1 s there was none, and the lane waits."
    )
    family.add_metric([], buckets, sum_value=counted.get("sum", 0) / 1_000_000)
    return family
