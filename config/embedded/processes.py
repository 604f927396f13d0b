"""Children that die with their parent, killed or not."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_PR_SET_PDEATHSIG: Final = 1
"""linux/prctl.h"""

_SECRETS: Final = frozenset({"SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"})
"""The settings that a program without a use for them is not given."""

# Loaded before any fork: between fork and exec nothing may be imported.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str | Path],
    *,
    when_orphaned: signal.Signals,
    output: IO[bytes] | int,
    uid: int | None = None,
    keep: Sequence[int] = (),
    cwd: Path | str = "/",
    env: dict[str, str] | None = None,
    own_group: bool = False,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a child that gets the signal `when_orphaned` when this process ends.

    To be called from the main thread: Linux sends the signal when the *thread* that started the child ends. Elsewhere
    than on Linux an orphan lives on until somebody stops it.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        pass_fds=keep,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        start_new_session=own_group,
        preexec_fn=_orphan_signal(when_orphaned),  # noqa: PLW1509  # one call of libc's, loaded before the fork
    )


def _orphan_signal(number: signal.Signals) -> Callable[[], None] | None:
    """What the child does before exec. subprocess has changed the user by then, which would have cleared the wish."""
    if _libc is None:
        return None
    parent = os.getpid()
    prctl = _libc.prctl

    def wish() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        # The parent may have died just before the wish was made.
        if os.getppid() != parent:
            os._exit(1)

    return wish


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """For a program that is not the product: its user, who may be another than ours, can read its environment."""
    return {name: value for name, value in environment.items() if name not in _SECRETS}


def end_with_parent(number: signal.Signals) -> None:
    """Get the signal when the process that started this one ends; has no effect elsewhere than on Linux."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def stop(process: subprocess.Popen[bytes], number: signal.Signals, seconds: float) -> None:
    """Ask the process to end, and kill it when it has not within so many seconds."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
