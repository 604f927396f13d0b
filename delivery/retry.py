"""What becomes of a batch after an answer: a pure function of the answer and of what went before.

Note: ambiguity. Segment deduplicates by messageId for at least 24 hours. A batch that may have reached it is sent again
for 20 hours after the *first* such attempt and no longer: later the same events could count twice. What has surely
never arrived is tried for 72 hours.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from delivery.enums import Hold, Outcome
from delivery.outcomes import Answer

BASE_SECONDS: Final = 1.0
CAP_SECONDS: Final = 1_800.0
AMBIGUOUS_FOR_AT_MOST: Final = timedelta(hours=20)
FAILING_FOR_AT_MOST: Final = timedelta(hours=72)
REJECTIONS_IN_A_ROW: Final = 3
"""So many answers 400 in a row, to single events or before the key's first 200, are no longer the events' fault."""

TOO_LARGE: Final = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
NOT_IMPLEMENTED: Final = (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
"""The 5xx that asking again does not change; Segment's own clients do not repeat them either."""


class Action(StrEnum):
    ACCEPT = "accept"
    RETRY = "retry"
    SPLIT = "split"
    QUARANTINE = "quarantine"
    SET_ASIDE = "set_aside"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What went before the answer, this attempt not counted, except in `failing_for` and `ambiguous_for`.

    `current` is False when write key or region were changed since the attempt began; `proven`: its credentials have
    had a 200. The times are None when the batch has not failed, or was never ambiguous.
    """

    events: int = 1
    tries: int = 0
    lane_failures: int = 0
    rejections: int = 0
    current: bool = True
    proven: bool = True
    failing_for: timedelta | None = None
    ambiguous_for: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do. Delays are seconds: of the batch, of its lane, and of every lane with that write key.

    `counts`: the attempt is one of the batch's tries. `strikes`: it is one of the lane's rejections in a row. `reason`
    is for the customer.
    """

    action: Action
    batch_delay: float = 0.0
    lane_delay: float = 0.0
    key_delay: float = 0.0
    counts: bool = True
    strikes: bool = False
    hold: Hold | None = None
    reason: str = ""


def decide(answer: Answer, history: History, chance: float) -> Decision:
    """`chance`, from 0 to 1, is the jitter: it spreads the retries of many lanes over the whole of their delay."""
    match answer.outcome:
        case Outcome.ACCEPTED:
            return Decision(action=Action.ACCEPT)
        case Outcome.KEY_REFUSED | Outcome.REJECTED if not history.current and answer.status_code != TOO_LARGE:
            # The answer judges a key that is used no more: ask again with the one that is.
            return Decision(action=Action.RETRY, counts=False)
        case Outcome.KEY_REFUSED:
            return _held(Hold.KEY_REFUSED, KEY_REFUSED.format(status=answer.status_code))
        case Outcome.REJECTED if answer.status_code in (HTTPStatus.BAD_REQUEST, TOO_LARGE):
            return _rejected(answer, history, chance)
        case Outcome.SERVER_ERROR if answer.status_code in NOT_IMPLEMENTED:
            return _not_implemented(answer, history, chance)
    again = _rate_limited if answer.outcome == Outcome.RATE_LIMITED else _again
    return _given_up(history) or again(answer, history, chance)


def backoff(failures: int, chance: float) -> float:
    """Full jitter: a random part of 1, 2, 4 … seconds, at most half an hour."""
    return chance * min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(failures, 20))


def given_up(history: History) -> str:
    """Why a batch may not be sent again, in words for the customer; empty when it may."""
    if history.ambiguous_for is not None and history.ambiguous_for >= AMBIGUOUS_FOR_AT_MOST:
        return TOO_LONG_AMBIGUOUS
    if history.failing_for is not None and history.failing_for >= FAILING_FOR_AT_MOST:
        return TOO_LONG_FAILING
    return ""


def _given_up(history: History) -> Decision | None:
    reason = given_up(history)
    return Decision(action=Action.SET_ASIDE, reason=reason) if reason else None


def _again(answer: Answer, history: History, chance: float) -> Decision:
    floor = float(answer.retry_after or 0)
    return Decision(
        action=Action.RETRY,
        batch_delay=max(floor, backoff(history.tries, chance)),
        lane_delay=max(floor, backoff(history.lane_failures, chance)),
    )


def _rate_limited(answer: Answer, history: History, chance: float) -> Decision:
    """Segment's own pace: it costs no try. Without a time to wait, at least the second that its limits count by.

    It is about the key, so a lane that has another one by now goes on.
    """
    delay = float(answer.retry_after or 0) or max(BASE_SECONDS, backoff(history.lane_failures, chance))
    lane_delay = delay if history.current else 0.0
    return Decision(action=Action.RETRY, key_delay=delay, lane_delay=lane_delay, counts=False)


def _rejected(answer: Answer, history: History, chance: float) -> Decision:
    """400 or 413: halve the batch until the bad event stands alone. A 413 never speaks of the key."""
    too_large = answer.status_code == TOO_LARGE
    if not (too_large or history.proven):
        return _rejected_unproven(history, chance)
    if history.events > 1:
        return Decision(action=Action.SPLIT, reason=WHOLE_REJECTED.format(status=answer.status_code))
    if not too_large and history.rejections + 1 >= REJECTIONS_IN_A_ROW:
        return _held(Hold.REJECTED_REPEATEDLY, REJECTED_REPEATEDLY)
    reason = f"Segment answered {answer.status_code} to this event alone."
    return Decision(action=Action.QUARANTINE, strikes=not too_large, reason=reason)


def _rejected_unproven(history: History, chance: float) -> Decision:
    """Segment answers 400 to a malformed key as well, and nothing told so far that this one is not. Other events may:
    a single one that Segment does not take must not make a good key wait for the customer.
    """
    if history.rejections + 1 >= REJECTIONS_IN_A_ROW:
        return _held(Hold.KEY_MALFORMED, KEY_MALFORMED)
    if history.events > 1:
        return Decision(action=Action.SPLIT, strikes=True, reason=WHOLE_REJECTED.format(status=400))
    return Decision(action=Action.RETRY, strikes=True, batch_delay=max(BASE_SECONDS, backoff(history.tries, chance)))


def _not_implemented(answer: Answer, history: History, chance: float) -> Decision:
    delay = backoff(history.lane_failures, chance)
    return Decision(action=Action.SET_ASIDE, lane_delay=delay, reason=NOT_TAKEN.format(status=answer.status_code))


def _held(hold: Hold, reason: str) -> Decision:
    return Decision(action=Action.HOLD, hold=hold, reason=reason, counts=False)


KEY_REFUSED: Final = (
    "Segment refuses the write key (answer {status}). Events are kept. Paste the source's current write key from "
    "Segment, and sending goes on."
)
KEY_MALFORMED: Final = (
    "Segment rejects what is sent with this write key (answer 400) and has never accepted anything with it. Most often "
    "the key is mistyped. Events are kept. Paste the write key again, and sending goes on."
)
KEY_UNREADABLE: Final = (
    "The stored write key can no longer be read. Events are kept. Paste the write key again, and sending goes on."
)
WHOLE_REJECTED: Final = "Segment answered {status} to the whole."
REJECTED_REPEATEDLY: Final = (
    "Segment rejected three events in a row, each sent alone (answer 400). Events are kept. Look at its answers under "
    "“Requests” on the source's page, then pause and resume the source to go on."
)
TOO_LONG_AMBIGUOUS: Final = (
    "For 20 hours it could not be known whether Segment had these events. It recognizes a repeated event for about a "
    "day only, so they are not sent again by themselves."
)
TOO_LONG_FAILING: Final = "Segment could not be reached for 72 hours."
NOT_TAKEN: Final = "Segment answered {status}, which sending again does not change."
REGION_SWITCHED: Final = (
    "The region was switched while it was unknown whether the old one had these events. They are not sent to the new "
    "one by themselves."
)
CRASHED: Final = (
    "Three times the program that sends these events broke down while it sent them and nothing else. They are not sent "
    "again by themselves."
)
EVENTS_GONE: Final = "The events were erased before they were sent."
