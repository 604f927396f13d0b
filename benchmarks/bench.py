"""What a row is given to work with."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks import backlog, cast, sink, worker
from benchmarks.events import typical_call
from benchmarks.servers import Servers
from benchmarks.sink import Sink
from benchmarks.worker import Worker
from delivery.outbox import capture

WARM_UP: Final = 9_999
"""The number of the source whose one event shows that a worker is ready."""


@dataclass(frozen=True, slots=True)
class Bench:
    """`scale` is 1 for real numbers; less shrinks every count and duration."""

    servers: Servers
    scale: float
    say: Callable[[str], None]

    def size(self, full: int, *, at_least: int = 1) -> int:
        return max(at_least, round(full * self.scale))

    @contextmanager
    def sink(self, delay_ms: int = 0) -> Iterator[Sink]:
        with sink.sink(delay_ms) as found:
            yield found

    @contextmanager
    def worker(self, to: Sink, *, app: str = "config.celery") -> Iterator[Worker]:
        """A worker that has sent an event already: connected, and all of its code loaded."""
        self.say("starting a worker")
        [source] = cast.new_sources(1, first=WARM_UP)
        with worker.worker(to, self.servers.folder, app=app) as found:
            capture(source.tenant_id, typical_call(0))
            backlog.wait_until_accepted([source], 1, found.check)
            to.reset()
            yield found

    def settle(self) -> None:
        self.say("settling the database")
        self.servers.settle()
        # The disk may still be writing what was checkpointed.
        time.sleep(2 * self.scale)
