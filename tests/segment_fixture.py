"""The stand-in for Segment as a real server of the test run: `segment`, empty at the start of each test."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent


class SegmentStandIn:
    """A client of the running stand-in; docs/stand-in.md has the JSON's fields and the faults."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.us_url = f"{url}/us/v1"
        self.eu_url = f"{url}/eu/v1"
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def close(self) -> None:
        self._http.close()

    def _control(self, method: str, name: str, content: Any = None) -> Any:
        response = self._http.request(method, f"/_control/{name}", json=content)
        assert response.status_code == 200, response.text
        return response.json()

    def entries(self, region: str, write_key: str) -> list[dict[str, Any]]:
        """All that arrived with this key in this region, oldest first, with its state and reason."""
        entries: list[dict[str, Any]] = self._http.get(f"/{region}/debugger.json", auth=(write_key, "")).json()
        return entries

    def events(self, region: str, write_key: str) -> list[dict[str, Any]]:
        """The calls that were accepted, oldest first."""
        return [entry["call"] for entry in self.entries(region, write_key) if entry["state"] == "accepted"]

    def requests(self) -> list[dict[str, Any]]:
        """Every request to either region, oldest first; the write key masked."""
        requests: list[dict[str, Any]] = self._control("GET", "requests")
        return requests

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self._control("GET", "stats")
        return stats

    def fault(self, region: str, do: str, **details: Any) -> None:
        """For instance `segment.fault("us", "status", status=429, headers={"Retry-After": "2"}, count=1)`."""
        self._control("POST", "faults", {"region": region, "do": do, **details})

    def clear_faults(self) -> None:
        self._control("DELETE", "faults")

    def register(self, region: str, write_key: str, *, enabled: bool = True) -> None:
        """Tell which region a key belongs to: the other one then answers 200 and stores nothing."""
        self._control("PUT", "keys", {"region": region, "key": write_key, "enabled": enabled})

    def advance(self, seconds: float) -> None:
        """Move the stand-in's clock forward."""
        self._control("POST", "clock", {"seconds": seconds})

    def reset(self) -> None:
        self._control("POST", "reset")


@pytest.fixture(scope="session")
def segment_process() -> Iterator[SegmentStandIn]:
    # It stops when its standard input closes, so it dies with pytest, killed or not.
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--quiet", "--until-stdin-closes"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        stand_in = SegmentStandIn(process.stdout.readline().split()[-1])
        yield stand_in
        stand_in.close()
        assert process.stdin
        process.stdin.close()
        process.wait(10)


@pytest.fixture
def segment(segment_process, settings):
    segment_process.reset()
    settings.SEGMENT_URLS = {"us": segment_process.us_url, "eu": segment_process.eu_url}
    return segment_process
