"""How a process becomes a user of the embedded servers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from config.embedded.binaries import postgres_folder, valkey_program
from config.embedded.errors import EmbeddedError
from config.embedded.keeper import lock_path, log_path, published
from config.embedded.locks import FileLock, is_held
from config.embedded.places import places_of
from config.embedded.processes import without_secrets
from config.embedded.server import last_line

SETTINGS: Final = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
"""Each embedded server with the setting that it fills."""

_PATIENCE: Final = 90.0
"""Seconds to wait for a server to start, or for one that stops; recovery after a crash can take a while."""

_memberships: list[FileLock] = []
"""Held for the life of this process."""


def join(var: Path, names: Iterable[str]) -> None:
    """Use these servers until this process ends, starting those that do not run, and put their URLs in the environment.

    Raises EmbeddedError with a sentence for a person.
    """
    places_of(var)
    # All are begun before any is waited for.
    for joining in [_Joining(var, name) for name in names]:
        os.environ[SETTINGS[joining.name]] = joining.url()


def is_embedded(var: Path, name: str) -> bool:
    """Whether the environment names the embedded server of this var/ folder."""
    path = published(var, name)
    return path.exists() and json.loads(path.read_text())["url"] == os.environ.get(SETTINGS[name])


class _Joining:
    """One server on its way from the first lock to its URL."""

    def __init__(self, var: Path, name: str) -> None:
        self.var = var
        self.name = name
        # In the foreground, where somebody reads the sentence when a wheel is missing.
        _ = postgres_folder() if name == "postgres" else valkey_program()
        self._become_user()
        self._start_lock = FileLock(lock_path(var, name, "start"))
        if not self._start_lock.wait(_PATIENCE):
            raise EmbeddedError(f"Another command has been starting the embedded {name} for too long: try again.")
        self._keeper = None if is_held(lock_path(var, name, "keeper")) else _start_keeper(var, name)

    def _become_user(self) -> None:
        membership = FileLock(lock_path(self.var, self.name, "users"))
        if not membership.wait(_PATIENCE, shared=True):
            raise EmbeddedError(f"The embedded {self.name} of this checkout is still stopping: try again.")
        _memberships.append(membership)

    def url(self) -> str:
        """Wait until the server answers."""
        try:
            if self._keeper is not None:
                _wait_for(self._keeper, self.var, self.name)
            return _read_url(self.var, self.name)
        finally:
            self._start_lock.release()


def _start_keeper(var: Path, name: str) -> subprocess.Popen[bytes]:
    published(var, name).unlink(missing_ok=True)
    with log_path(var, name).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "config.embedded", str(var.resolve()), name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).resolve().parents[2],
            env=without_secrets(os.environ),
            # Ctrl-C in a terminal is for the command, not for the server that another command may share.
            start_new_session=True,
        )


def _wait_for(keeper: subprocess.Popen[bytes], var: Path, name: str) -> None:
    while not published(var, name).exists():
        if keeper.poll() is not None:
            raise EmbeddedError(last_line(log_path(var, name)))
        time.sleep(0.02)
    # A child of ours that outlives us: nobody waits for it.
    keeper.returncode = 0


def _read_url(var: Path, name: str) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            url: str = json.loads(published(var, name).read_text())["url"]
        except FileNotFoundError:
            # Whoever started the keeper was killed before it was ready.
            if not is_held(lock_path(var, name, "keeper")):
                raise EmbeddedError(f"The embedded {name} has stopped: try again.") from None
            time.sleep(0.05)
        else:
            return url
    raise EmbeddedError(f"The embedded {name} does not answer: {log_path(var, name)} says more.")
