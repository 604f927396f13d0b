"""What the commands that write for programs have in common."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError, OutputWrapper

UNUSABLE = 2
"""Exit code when the command could not do its work; 1 is for work done that found errors."""


def print_json(stdout: OutputWrapper, value: Any) -> None:
    stdout.write(json.dumps(value, ensure_ascii=False))


@contextmanager
def output_for_programs(stdout: OutputWrapper) -> Iterator[None]:
    """UTF-8 whatever the terminal is set to; and when the reader goes away (`| head`), an end without a traceback."""
    reconfigure = getattr(stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8")
    try:
        yield
        stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The file, or standard input for `-`."""
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115  # closed below; a `with` would take errors of the caller for its own
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise CommandError(f"{path} cannot be read: {reason}.", returncode=UNUSABLE) from None
    with file:
        yield file


def write_file(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise CommandError(f"{path} cannot be written: {reason}.", returncode=UNUSABLE) from None
