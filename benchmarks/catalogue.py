"""The rows of `make bench`, in the order in which they are measured."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """`module` is in benchmarks/rows/ and has a function of the row's name."""

    name: str
    module: str
    what: str
    unit: str
    bar: str


ROWS: Final = [
    Row(
        "drain_0ms", "drains", "drain 200,000 events of one source, sink at 0 ms", "times the peer",
        "≥ 4, or 44.1 full requests/s",
    ),
    Row(
        "drain_100ms", "drains", "the same, sink at 100 ms (the peer on 20,000)", "times the peer",
        "≥ 40 and 42 full requests/s",
    ),
    Row(
        "limiter", "limiter", "four worker processes, one key, small bodies, 30 s", "requests/s",
        "≥ 47.5, never over 50 in a second",
    ),
    Row("drain_8_sources", "drains", "drain 200,000 events of 8 sources, sink at 0 ms", "times the peer", "≥ 4.5"),
    Row("end_to_end", "drains", "capture 200,000 events in bulk and drain them", "times the peer", "≥ 2"),
    Row(
        "capture_one", "capturing", "one event: lookup, lint, capture, wake, commit", "times Model.save()",
        "≤ 2",
    ),
    Row(
        "capture_bulk", "capturing", "10,000 events captured in one call", "times bulk_create", "≥ 5"
    ),
    Row("ingest", "ingesting", "60,000 events in batches of 100 through the web server", "events/s", "≥ 8,000"),
    Row(
        "pages", "pages", "each page of a company with 10,000 sources and 10,000 members", "ms, slowest page",
        "< 300",
    ),
    Row("tiny_lanes", "tiny_lanes", "2,000 sources, one event each", "times plain", "≥ 1"),
    Row(
        "latency_idle", "latency", "commit to request at the sink, idle, median", "ms",
        "≤ 50 median, ≤ 150 95th percentile",
    ),
    Row(
        "latency_busy", "latency", "the same beside 1,000,000 waiting events, 95th percentile", "ms",
        "< twice the idle one, or < 50",
    ),
    Row(
        "drain_deep_log", "deep_log", "drain 200,000 beside 5,000,000 in the log, limiter off", "times the empty log",
        "≥ 0.9",
    ),
    Row("worker_memory", "memory", "a worker's peak memory over 1,000,000 events", "MB", "< 200"),
    Row("lint_speed", "linting", "typical events linted on one core", "events/s", "≥ 20,000"),
]  # fmt: skip  # a row a piece

NAMES: Final = [row.name for row in ROWS]
