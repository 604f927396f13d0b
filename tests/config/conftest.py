"""An installation of its own beside the test run's servers: a var/ folder, and processes that use its embedded ones."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.embedded.joining import SETTINGS
from config.embedded.keeper import lock_path
from config.embedded.locks import is_held
from config.embedded.places import places_of
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]


def answers(url: str) -> bool:
    """Does anything listen where this URL points?"""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except OSError:
        return False
    return True


def environment_of(var: Path) -> dict[str, str]:
    """What a person's shell has who set nothing but the folder."""
    named = {"DATABASE_URL", "REDIS_URL", "PORT", "SITE_URL", "SEGMENT_US_URL", "SEGMENT_EU_URL"}
    return {name: value for name, value in os.environ.items() if name not in named} | {"VAR_DIR": str(var)}


def run(*command: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], env=dict(env), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="package")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One for the package: a new one costs an initdb. Each test leaves it without users."""
    folder = tmp_path_factory.mktemp("installation") / "var"
    yield folder
    # PostgreSQL removes files of its own until its keeper is gone.
    assert eventually(lambda: not any(is_held(lock_path(folder, name, "keeper")) for name in SETTINGS))
    shutil.rmtree(places_of(folder).data)


USER = """
import sys
from pathlib import Path
from config.embedded.joining import SETTINGS, join
import os
join(Path(os.environ["VAR_DIR"]), sys.argv[1:])
print(*(os.environ[SETTINGS[name]] for name in sys.argv[1:]), flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses embedded servers until it is killed."""

    def __init__(self, var: Path, *names: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, *names],
            env=environment_of(var),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.urls = self.process.stdout.readline().split()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def user(var: Path) -> Iterator[Callable[..., User]]:
    """Starts users; what is left of them is killed after the test, and their servers are gone before the next."""
    users: list[User] = []

    def start(*names: str) -> User:
        users.append(User(var, *names))
        return users[-1]

    yield start
    for one in users:
        one.kill()
    assert eventually(lambda: not any(answers(url) for one in users for url in one.urls))
