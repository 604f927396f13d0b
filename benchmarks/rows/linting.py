import statistics
import time
from typing import Final

from benchmarks.bench import Bench
from benchmarks.events import typical_calls
from benchmarks.measured import Measured
from integrations.envelope import complete
from integrations.spec.linter import lint

EVENTS: Final = 20_000
ROUNDS: Final = 5
BAR: Final = 20_000


def lint_speed(bench: Bench) -> Measured:
    """Completed calls, as capture lints them; the median of five rounds, in seconds of this process's own."""
    calls = [complete(call) for call in typical_calls(bench.size(EVENTS))]
    bench.say(f"linting {len(calls):,} events, {ROUNDS} times")
    rates = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for call in calls:
            lint(call, size=450)
        rates.append(len(calls) / (time.process_time() - begin))
    rate = statistics.median(rates)
    return Measured(rate, rate >= BAR, {"slowest_round": min(rates), "fastest_round": max(rates)})
