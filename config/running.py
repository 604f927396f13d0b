"""The one `make run` of this checkout: who it is, proved by a lock and not by a process id."""

import json
import os
import signal
from pathlib import Path
from typing import Final, TypedDict

from config.embedded.locks import FileLock, is_held

SECONDS_TO_STOP: Final = 30
"""Requests in flight and turns at work end within this time after Ctrl-C or SIGTERM."""


class Running(TypedDict):
    pid: int
    url: str


def running(var: Path) -> Running | None:
    """The `make run` that is alive in this checkout."""
    if not is_held(var / "run.lock"):
        return None
    try:
        found: Running = json.loads((var / "run.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        # It has the lock and has not said its address yet.
        return None
    return found


def claim(var: Path) -> bool:
    """Become the one that runs, for the life of this process; False when another is."""
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(var / "run.lock")
    if not lock.take():
        lock.release()
        return False
    (var / "run.json").unlink(missing_ok=True)
    return True


def announce(var: Path, url: str) -> None:
    attempt = var / "run.json.new"
    attempt.write_text(json.dumps(Running(pid=os.getpid(), url=url)))
    attempt.rename(var / "run.json")


def stop_running(var: Path) -> bool | None:
    """Stop the one that runs: True when it ended, False when it did not in time, None when there is none."""
    found = running(var)
    if found is None:
        return None
    os.kill(found["pid"], signal.SIGTERM)
    return FileLock(var / "run.lock").wait(SECONDS_TO_STOP + 15)
