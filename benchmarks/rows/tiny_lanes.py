import time
from typing import Final

from benchmarks import backlog, cast, plain, worker
from benchmarks.bench import Bench
from benchmarks.events import typical_call
from benchmarks.keys import write_key
from benchmarks.measured import Measured
from benchmarks.sink import Sink
from delivery.outbox import capture
from integrations.models import Source

SOURCES: Final = 2_000


def tiny_lanes(bench: Bench) -> Measured:
    """Sources per second, each with one event, from the moment the held worker may go."""
    count = bench.size(SOURCES)
    with bench.sink() as sink:
        theirs = _plain(bench, sink, count)
        sink.reset()
        bench.say(f"connecting {count:,} sources")
        ours = _ours(bench, sink, cast.new_sources(count))
    detail = {"sources_per_second": ours, "plain_per_second": theirs}
    return Measured(ours / theirs, ours >= theirs, detail)


def _ours(bench: Bench, sink: Sink, sources: list[Source]) -> float:
    with bench.worker(sink) as found:
        with found.held():
            bench.say("capturing one event for each")
            for number, source in enumerate(sources):
                capture(source.tenant_id, typical_call(number))
            bench.settle()
            bench.say(f"draining {len(sources):,} sources")
            begin = time.time()
        return len(sources) / (backlog.wait_until_accepted(sources, len(sources), found.check) - begin)


def _plain(bench: Bench, sink: Sink, count: int) -> float:
    url = f"{sink.url}/us/v1/track"
    with worker.worker(sink, bench.servers.folder, app="benchmarks.plain", queues=plain.QUEUE) as found:
        bench.say(f"plain: {count:,} tasks")
        plain.put_in_queue(url, write_key(0), typical_call(0))
        sink.wait_for_events(1, 60)
        sink.reset()
        with found.held():
            for number in range(count):
                plain.put_in_queue(url, write_key(number), typical_call(number))
            begin = time.time()
        sink.wait_for_events(count, 120)
        return count / (sink.arrivals()[-1] - begin)
