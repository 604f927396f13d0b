"""The web server as `make run` starts it, clients that post bodies which are ready, and a browser that loads pages."""

import http.client
import os
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.measured import BenchmarkError
from config import programs
from config.embedded import processes
from config.environment import BASE_DIR

CLIENTS: Final = 4
SECONDS_TO_START: Final = 60


@contextmanager
def web(folder: Path, app: str = "config.wsgi") -> Iterator[int]:
    """The port of the server, once it answers."""
    listener = programs.listen(0)
    if listener is None:
        raise BenchmarkError("There is no free port.")
    program = programs.web(listener, folder)
    command = [app if part == "config.wsgi" else part for part in program.command]
    with listener, program.log.open("ab") as output:
        process = processes.spawn(
            command, when_orphaned=signal.SIGKILL, output=output, keep=program.keep, cwd=BASE_DIR,
            env=dict(os.environ), own_group=True,
        )  # fmt: skip
        try:
            yield int(listener.getsockname()[1])
        finally:
            processes.stop(process, signal.SIGTERM, 30)


def wait_until_it_answers(port: int) -> None:
    """A connection from before the server is up lacks its TCP_NODELAY: whoever keeps it waits 40 ms for each answer."""
    with closing(Browser(port, "")) as first:
        first.median_ms("/healthz", 1)


class Browser:
    """One that is signed in, with a connection that it keeps. It loads pages one after the other, and nothing else."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_TO_START)
        self._headers = {"Cookie": cookie, "Accept": "text/html"}

    def median_ms(self, path: str, times: int) -> float:
        """Of so many times, after one that does not count, from the request to the last byte of the page."""
        return statistics.median([self._ms(path) for _ in range(times + 1)][1:])

    def close(self) -> None:
        self._connection.close()

    def _ms(self, path: str) -> float:
        begin = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        took = (time.perf_counter() - begin) * 1000
        if answer.status != http.client.OK:
            to = answer.headers.get("Location", "")
            raise BenchmarkError(f"{path} answered {answer.status}{to and f' and sends to {to}'}, and not 200.")
        return took


def seconds_for(port: int, bodies: Sequence[bytes], headers: dict[str, str]) -> float:
    """Seconds in which a few clients, each with a connection that it keeps, have posted them all and got their 200."""
    shares = [bodies[number::CLIENTS] for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        begin = time.perf_counter()
        list(clients.map(lambda share: _post(port, share, headers), shares))
        return time.perf_counter() - begin


def _post(port: int, bodies: Sequence[bytes], headers: dict[str, str]) -> None:
    # The socket is open before the server is: the first request waits for it.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_TO_START)
    for body in bodies:
        connection.request("POST", "/v1/batch", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if (answer.status, content) != (200, b'{"success": true}'):
            raise BenchmarkError(f"The web server answered {answer.status}: {content[:200].decode(errors='replace')}")
    connection.close()
