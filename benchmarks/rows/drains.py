"""How fast a backlog goes out, next to Segment's own client."""

import time
from collections.abc import Sequence
from typing import Final

from django.db import connection

from benchmarks import backlog, cast
from benchmarks.bench import Bench
from benchmarks.events import typical_calls
from benchmarks.measured import Measured
from benchmarks.peer import peer_rate
from benchmarks.worker import Worker
from delivery.outbox import capture_many
from integrations.models import Source

EVENTS: Final = 200_000
PEER_EVENTS_WITH_DELAY: Final = 20_000
SOURCES: Final = 8

CEILING: Final = 49
"""Requests a second that the limiter lets through."""


def drain_0ms(bench: Bench) -> Measured:
    detail = _drained(bench, sources=1, delay_ms=0, peer_events=bench.size(EVENTS))
    holds = detail["ratio"] >= 4 or detail["full_requests_per_second"] >= 0.9 * CEILING
    return Measured(detail["ratio"], holds, detail)


def drain_100ms(bench: Bench) -> Measured:
    detail = _drained(bench, sources=1, delay_ms=100, peer_events=bench.size(PEER_EVENTS_WITH_DELAY))
    holds = detail["ratio"] >= 40 and detail["full_requests_per_second"] >= 42
    return Measured(detail["ratio"], holds, detail)


def drain_8_sources(bench: Bench) -> Measured:
    detail = _drained(bench, sources=SOURCES, delay_ms=0, peer_events=bench.size(EVENTS))
    return Measured(detail["ratio"], detail["ratio"] >= 4.5, detail)


def end_to_end(bench: Bench) -> Measured:
    events = bench.size(EVENTS)
    with bench.sink() as sink:
        bench.say("segment-analytics-python sends")
        peer = peer_rate(sink, events)
        [source] = cast.new_sources(1)
        with bench.worker(sink) as worker:
            bench.settle()
            bench.say(f"capturing and draining {events:,} events")
            begin = time.time()
            capture_many(source.tenant_id, typical_calls(events))
            captured = time.time()
            rate = events / (backlog.wait_until_accepted([source], events, worker.check) - begin)
    ratio = rate / peer
    detail = {
        "events_per_second": rate,
        "peer_events_per_second": peer,
        "captured_per_second": events / (captured - begin),
    }
    return Measured(ratio, ratio >= 2, detail)


def drained(bench: Bench, worker: Worker, sources: Sequence[Source], events: int) -> float:
    """Events per second, from the moment the held worker may go until the last batch is recorded as accepted."""
    each = events // len(sources)
    with worker.held():
        bench.say(f"capturing {events:,} events")
        for source in sources:
            backlog.fill(source, each)
        bench.settle()
        bench.say(f"draining {events:,} events")
        begin = time.time()
    return each * len(sources) / (backlog.wait_until_accepted(sources, each * len(sources), worker.check) - begin)


def _drained(bench: Bench, *, sources: int, delay_ms: int, peer_events: int) -> dict[str, float]:
    with bench.sink(delay_ms) as sink:
        bench.say("segment-analytics-python sends")
        peer = peer_rate(sink, peer_events)
        lanes = cast.new_sources(sources)
        with bench.worker(sink) as worker:
            rate = drained(bench, worker, lanes, bench.size(EVENTS, at_least=sources))
    full = _fullest_batch()
    return {
        "ratio": rate / peer,
        "events_per_second": rate,
        "peer_events_per_second": peer,
        "events_in_a_full_request": full,
        "full_requests_per_second": rate / full,
    }


def _fullest_batch() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(event_count) FROM delivery_batch")
        count: int = cursor.fetchone()[0]
        return count
