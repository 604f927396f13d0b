"""From the commit of a capture to the moment its request begins to arrive at the sink, both by this machine's clock."""

import random
import statistics
import time
from typing import Final

from django.db import transaction

from benchmarks import backlog, cast
from benchmarks.bench import Bench
from benchmarks.copying import copy_events
from benchmarks.events import typical_call
from benchmarks.keys import write_key
from benchmarks.measured import BenchmarkError, Measured
from benchmarks.sink import Sink
from delivery.outbox import capture
from delivery.wake import hint
from integrations.models import Source

SAMPLES: Final = 200
BUSY_SAMPLES: Final = 100
BACKLOG: Final = 1_000_000
LOW: Final = 100_000
"""With so little of it left, no more samples are taken before the backlog has been filled again."""

PATIENCE: Final = 30.0


def latency_idle(bench: Bench) -> Measured:
    count = bench.size(SAMPLES, at_least=3)
    with bench.sink() as sink:
        [source] = cast.new_sources(1)
        with bench.worker(sink):
            bench.say(f"{count} events, one at a time")
            samples = [_sample(sink, source) for _ in range(count)]
    detail = _summary(samples)
    holds = detail["median_ms"] <= 50 and detail["p95_ms"] <= 150
    return Measured(detail["median_ms"], holds, detail)


def latency_busy(bench: Bench) -> Measured:
    count = bench.size(BUSY_SAMPLES, at_least=3)
    with bench.sink() as sink:
        source, other, pattern = cast.new_sources(3)
        with bench.worker(sink) as worker:
            bench.say(f"{count} events, one at a time, idle")
            idle = _summary([_sample(sink, source) for _ in range(count)])
            # What is copied from must be sent before it is measured.
            backlog.fill(pattern, 1)
            backlog.wait_until_accepted([pattern], 1, worker.check)
            samples: list[float] = []
            loads = 0
            while len(samples) < count:
                with worker.held():
                    missing = bench.size(BACKLOG) - backlog.waiting(other)
                    copy_events(pattern, other, missing, bench.say, waiting=True)
                    hint([other.pk], other.region)
                loads += 1
                bench.say(f"{count - len(samples)} events, one at a time, beside the backlog")
                samples += _while_it_lasts(sink, source, other, count - len(samples), low=bench.size(LOW))
    busy = _summary(samples)
    detail = {"idle_p95_ms": idle["p95_ms"], "idle_median_ms": idle["median_ms"], "backlogs_loaded": loads} | busy
    holds = busy["p95_ms"] < 2 * idle["p95_ms"] or busy["p95_ms"] < 50
    return Measured(busy["p95_ms"], holds, detail)


def _while_it_lasts(sink: Sink, source: Source, other: Source, count: int, *, low: int) -> list[float]:
    """So many samples, or fewer when the other tenant's backlog comes to its end; one at least."""
    samples = [_sample(sink, source)]
    while len(samples) < count and backlog.waiting(other) > low:
        samples.append(_sample(sink, source))
    return samples


def _sample(sink: Sink, source: Source) -> float:
    """Seconds from commit to arrival of one event, after a pause that falls in step with nothing."""
    time.sleep(random.uniform(0.05, 0.25))
    key = write_key(int(source.name.split()[-1]))
    before = sink.of(key)["requests"]
    committed: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append(time.time()))
        capture(source.tenant_id, typical_call(before))
    deadline = time.monotonic() + PATIENCE
    while sink.of(key)["requests"] == before:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"An event did not arrive within {PATIENCE:.0f} s.")
        time.sleep(0.02)
    return sink.arrivals(key)[-1] - committed[0]


def _summary(samples: list[float]) -> dict[str, float]:
    in_ms = sorted(sample * 1000 for sample in samples)
    p95 = in_ms[min(len(in_ms) - 1, round(0.95 * len(in_ms)))]
    return {"median_ms": statistics.median(in_ms), "p95_ms": p95, "most_ms": in_ms[-1], "samples": len(in_ms)}
