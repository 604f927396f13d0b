from typing import Final

from benchmarks import backlog, cast
from benchmarks.bench import Bench
from benchmarks.copying import copy_events
from benchmarks.measured import Measured

EVENTS: Final = 1_000_000
MOST_MB: Final = 200


def worker_memory(bench: Bench) -> Measured:
    pattern, source = cast.new_sources(2)
    with bench.sink() as sink, bench.worker(sink) as worker:
        before = worker.peak_memory()
        with worker.held():
            count = copy_events(pattern, source, bench.size(EVENTS), bench.say, waiting=True)
        bench.say(f"draining {count:,} events")
        backlog.wait_until_accepted([source], count, worker.check)
        peak = worker.peak_memory()
    return Measured(peak, peak < MOST_MB, {"events": count, "mb_after_the_first_event": before})
