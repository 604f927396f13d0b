"""The stand-in for Segment in a process of its own, counting and not reading."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx

from benchmarks.measured import BenchmarkError
from config.environment import BASE_DIR


class Sink:
    def __init__(self, url: str) -> None:
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=60)

    def close(self) -> None:
        self._http.close()

    def reset(self) -> None:
        self._http.post("/_control/reset").raise_for_status()

    def of(self, write_key: str) -> dict[str, Any]:
        """What arrived with this key: `requests`, `accepted`, `most_in_a_second`."""
        keys = self._http.get("/_control/stats").json()["keys"]
        found: dict[str, Any] = next((key for key in keys if key["key"] == masked(write_key)), {})
        return {"requests": 0, "accepted": 0, "most_in_a_second": 0} | found

    def events(self) -> int:
        """How many events were accepted, with whatever key."""
        return sum(key["accepted"] for key in self._http.get("/_control/stats").json()["keys"])

    def arrivals(self, write_key: str | None = None) -> list[float]:
        """When the newest 20,000 requests began to arrive, in seconds since 1970; of one key, or of all."""
        requests = self._http.get("/_control/requests").json()
        wanted = [each for each in requests if write_key is None or each["key"] == masked(write_key)]
        return sorted(datetime.fromisoformat(each["received_at"]).timestamp() for each in wanted)

    def wait_for_events(self, count: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (arrived := self.events()) < count:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"Only {arrived:,} of {count:,} events arrived within {seconds:.0f} s.")
            time.sleep(0.1)


def masked(write_key: str) -> str:
    """How the stand-in shows a key."""
    return f"…{write_key[-4:]}"


@contextmanager
def sink(delay_ms: int = 0) -> Iterator[Sink]:
    # It stops when its standard input closes, so it dies with this process, killed or not.
    command = [sys.executable, "-m", "sandbox", "--count-only", "--quiet", "--until-stdin-closes"]
    with subprocess.Popen(
        [*command, "--delay", str(delay_ms)], cwd=BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        found = Sink(process.stdout.readline().split()[-1])
        try:
            yield found
        finally:
            found.close()
            process.stdin.close()
            process.wait(20)
