from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from delivery.models import Refusal


class NotJsonError(ValueError):
    """The call holds something that JSON cannot say; the message tells what, without the value."""


class CaptureRefusedError(Exception):
    """Raised by `capture(strict=True)`: the call was not captured. `refused` has the rows that say why."""

    def __init__(self, refused: Sequence["Refusal"]) -> None:
        super().__init__("The call was not captured: " + "; ".join(sorted({str(row) for row in refused})))
        self.refused = list(refused)


class ReplayError(ValueError):
    """Nothing was replayed; the message says why, for whoever asked."""


class RedisUnavailableError(Exception):
    """Redis did not answer just now. It holds hints and counters only: go on without it."""


class InsecureUrlError(ValueError):
    """A write key would have travelled in the clear."""


def describe(error: BaseException) -> str:
    """Kind and place of an error for a log line: its message may quote a payload or a row, so it stays out."""
    frames = extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + place
