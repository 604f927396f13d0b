"""Celery workers as `make run` starts them, which can be held back and let go."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.measured import BenchmarkError
from benchmarks.sink import Sink
from config import programs
from config.embedded import processes
from config.embedded.server import last_line
from config.environment import BASE_DIR
from config.supervisor import Program


class Worker:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def check(self) -> None:
        """Raises BenchmarkError when the worker is no more."""
        if self._process.poll() is not None:
            raise BenchmarkError(f"The worker ended: {last_line(self._log)}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """The worker stands still meanwhile, warm and connected: what is captured becomes a backlog."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def peak_memory(self) -> float:
        """The most it ever had in RAM, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1000


@contextmanager
def worker(sink: Sink, folder: Path, *, app: str = "config.celery", queues: str = "") -> Iterator[Worker]:
    """The worker and the beat of `make run`, sending to the sink; or another `app` with its `queues`, without beat."""
    env = programs.environment_of(0, sink.port)
    with ExitStack() as stack:
        program = programs.worker(folder)
        process = stack.enter_context(_running(program, _adapted(program.command, app, queues), env))
        if not queues:
            beat = programs.beat(folder)
            stack.enter_context(_running(beat, beat.command, env))
        yield Worker(process, program.log)


def _adapted(given: Sequence[str], app: str, queues: str) -> list[str]:
    command = list(given)
    command[command.index("-A") + 1] = app
    if queues:
        command[command.index("-Q") + 1] = queues
    return command


@contextmanager
def _running(program: Program, command: Sequence[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with program.log.open("ab") as output:
        # Killed and not asked when we die: one that is held back would not hear it.
        process = processes.spawn(
            command, when_orphaned=signal.SIGKILL, output=output, cwd=BASE_DIR, env=dict(env), own_group=True
        )
    try:
        yield process
    finally:
        processes.stop(process, signal.SIGTERM, 40)
