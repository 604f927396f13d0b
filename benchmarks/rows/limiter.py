import subprocess
import sys
from contextlib import ExitStack
from typing import Final

from benchmarks.bench import Bench
from benchmarks.keys import write_key
from benchmarks.measured import BenchmarkError, Measured
from config.environment import BASE_DIR

PROCESSES: Final = 4
SECONDS: Final = 30
MOST: Final = 50
LEAST: Final = 47.5


def limiter(bench: Bench) -> Measured:
    """The mean counts from the first request to the last; the most is of any one second, as the sink saw it."""
    with bench.sink() as sink:
        seconds = max(1.0, SECONDS * bench.scale)
        bench.say(f"{PROCESSES} processes post for {seconds:.0f} s")
        _post(f"{sink.url}/us/v1/batch", seconds)
        arrivals = sink.arrivals()
        most = sink.of(write_key(0))["most_in_a_second"]
    mean = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
    detail = {"requests": len(arrivals), "most_in_a_second": most, "processes": PROCESSES}
    return Measured(mean, most <= MOST and mean >= LEAST, detail)


def _post(url: str, seconds: float) -> None:
    command = [sys.executable, "-m", "benchmarks.posting", url]
    with ExitStack() as stack:
        processes = [stack.enter_context(_started(command)) for _ in range(PROCESSES)]
        for process in processes:
            assert process.stdout
            if process.stdout.readline() != "ready\n":
                raise BenchmarkError("A process that posts did not start.")
        for process in processes:
            assert process.stdin
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        for process in processes:
            process.wait(seconds + 30)
        if any(process.returncode for process in processes):
            raise BenchmarkError("A process that posts failed.")


def _started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
