"""The web server as `make run` starts it, for clients that are programs of their own."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
from django.db import connection

from config import programs
from tests.waiting import eventually


class Web:
    """The socket outlives the server: what connects while nobody serves waits, as at a restart of `make run`."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        listener = programs.listen(0)
        assert listener
        self.listener = listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.program = programs.web(listener, logs)
        self.environment = environment

    def start(self) -> None:
        self.program.start(self.environment)
        assert eventually(self.answers), self.program.log.read_text()

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """The server and its workers, at once."""
        assert self.program.process
        os.killpg(self.program.process.pid, signal.SIGKILL)
        self.program.process.wait()

    def close(self) -> None:
        if self.program.process and self.program.process.poll() is None:
            self.kill()
        self.listener.close()


@contextmanager
def web_of_test(logs: Path) -> Iterator[Web]:
    """A server on the database of the test, which must commit: mark it transaction=True."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    server = Web(logs, {**os.environ, "DATABASE_URL": urlunsplit(database)})
    try:
        server.start()
        yield server
    finally:
        server.close()
