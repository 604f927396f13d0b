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
from config.embedded.keeper import lock_path, published
from config.embedded.locks import FileLock, is_held
from config.embedded.places import places_of
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
    for name in names:
        # In the foreground, where somebody reads the sentence when a wheel is missing.
        _ = postgres_folder() if name == "postgres" else valkey_program()
        os.environ[SETTINGS[name]] = _join_one(var, name)


def _join_one(var: Path, name: str) -> str:
    membership = FileLock(lock_path(var, name, "users"))
    if not membership.wait(_PATIENCE, shared=True):
        raise EmbeddedError(f"The embedded {name} of this checkout is still stopping: try again.")
    _memberships.append(membership)
    start = FileLock(lock_path(var, name, "start"))
    if not start.wait(_PATIENCE):
        raise EmbeddedError(f"Another command has been starting the embedded {name} for too long: try again.")
    try:
        if not is_held(lock_path(var, name, "keeper")):
            _start_keeper(var, name)
        return _read_url(var, name)
    finally:
        start.release()


def _start_keeper(var: Path, name: str) -> None:
    published(var, name).unlink(missing_ok=True)
    log = var / "log" / f"{name}.log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "config.embedded", str(var.resolve()), name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).resolve().parents[2],
            # Ctrl-C in a terminal is for the command, not for the server that another command may share.
            start_new_session=True,
        )
    while not published(var, name).exists():
        if keeper.poll() is not None:
            raise EmbeddedError(last_line(log))
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
    raise EmbeddedError(f"The embedded {name} does not answer: {var / 'log' / name}.log says more.")
