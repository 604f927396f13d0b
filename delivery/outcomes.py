"""Reading an answer of Segment's, or the lack of one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpcore
import orjson

from delivery.encoding import storable
from delivery.enums import Outcome

ANSWER_CHARACTERS: Final = 500
RETRY_AFTER_CAP: Final = 3_600
"""Seconds. Whoever asks for more, or for the year 9999, is asked again after an hour."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Any answer of the other side, none included.

    `ambiguous`: the events may have arrived though nobody said so. `text` is the beginning of the answer, or the kind
    of the error. `retry_after` is in seconds, clamped to an hour.
    """

    outcome: Outcome
    ambiguous: bool
    status_code: int | None = None
    text: str = ""
    retry_after: int | None = None


def classify(status: int, headers: Mapping[str, str], text: str, now: datetime) -> Answer:
    """The answer of a status line, headers (names in lower case) and the beginning of a body."""
    outcome = _outcome(status, text)
    ambiguous = outcome in (Outcome.SERVER_ERROR, Outcome.NOT_CONFIRMED)
    wait = retry_after(headers.get("retry-after", ""), now)
    if wait is None and outcome == Outcome.RATE_LIMITED:
        wait = retry_after(headers.get("x-ratelimit-reset", ""), now)
    return Answer(outcome, ambiguous, status, storable(text, ANSWER_CHARACTERS), wait)


def no_answer(error: Exception) -> Answer:
    """The answer of an exception. What failed before a connection stood has surely sent nothing."""
    kind = type(error).__name__
    match error:
        case httpcore.ConnectError() | httpcore.ConnectTimeout() | httpcore.PoolTimeout():
            return Answer(Outcome.NOT_SENT, ambiguous=False, text=kind)
        case httpcore.TimeoutException():
            return Answer(Outcome.TIMEOUT, ambiguous=True, text=kind)
    return Answer(Outcome.BROKEN, ambiguous=True, text=kind)


def retry_after(value: str, now: datetime) -> int | None:
    """Seconds to wait by a Retry-After of seconds or of a date, from 0 to an hour; None when it is neither."""
    text = value.strip()
    if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit():
        # Compared by length first: int() refuses, with an error, what has thousands of digits.
        return _clamp(int(text) if len(text) < 20 else RETRY_AFTER_CAP if text[0] != "-" else 0)  # noqa: PLR2004  # digits, far past the cap
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return _clamp((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def _clamp(seconds: float) -> int:
    return max(0, min(RETRY_AFTER_CAP, math.ceil(seconds)))


def _outcome(status: int, text: str) -> Outcome:
    match status:
        case HTTPStatus.OK if _says_success(text):
            return Outcome.ACCEPTED
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Outcome.KEY_REFUSED
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Outcome.RATE_LIMITED
    ranges = {3: Outcome.REDIRECTED, 4: Outcome.REJECTED, 5: Outcome.SERVER_ERROR}
    return ranges.get(status // 100, Outcome.NOT_CONFIRMED)


def _says_success(text: str) -> bool:
    """Segment's 200 says {"success": true}; a proxy's welcome page does not."""
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(answer, dict) and answer.get("success") is True
