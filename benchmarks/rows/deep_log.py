import time
from typing import Final

from benchmarks import cast
from benchmarks.bench import Bench
from benchmarks.copying import copy_events
from benchmarks.measured import Measured
from benchmarks.rows.drains import drained

EVENTS: Final = 200_000
OTHERS: Final = 5_000_000
OTHER_SOURCES: Final = 10
ROUNDS: Final = 2


def drain_deep_log(bench: Bench) -> Measured:
    """The better of two drains on either side, the first of all left out: it fills caches that the others find full."""
    pattern, *sources = cast.new_sources(1 + 2 * ROUNDS + 1)
    others = cast.new_sources(OTHER_SOURCES, first=100)
    events = bench.size(EVENTS)
    with bench.sink() as sink, bench.worker(sink, app="benchmarks.unlimited") as worker:
        drained(bench, worker, [sources.pop()], events)
        empty = max(drained(bench, worker, [sources.pop()], events) for _ in range(ROUNDS))
        begin = time.time()
        for other in others:
            copy_events(pattern, other, bench.size(OTHERS // OTHER_SOURCES), bench.say, waiting=False)
        loaded = time.time() - begin
        deep = max(drained(bench, worker, [sources.pop()], events) for _ in range(ROUNDS))
    detail = {"deep_per_second": deep, "empty_per_second": empty, "seconds_to_load_the_log": loaded}
    return Measured(deep / empty, deep / empty >= 0.9, detail)
