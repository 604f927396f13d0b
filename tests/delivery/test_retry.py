from datetime import timedelta

import pytest

from delivery.enums import Hold, Outcome
from delivery.outcomes import Answer
from delivery.retry import Action, History, backoff, decide

ACCEPTED = Answer(Outcome.ACCEPTED, ambiguous=False, status_code=200)
TIMEOUT = Answer(Outcome.TIMEOUT, ambiguous=True)
NOT_SENT = Answer(Outcome.NOT_SENT, ambiguous=False)
BROKEN = Answer(Outcome.BROKEN, ambiguous=True)
NOT_CONFIRMED = Answer(Outcome.NOT_CONFIRMED, ambiguous=True, status_code=200)
REDIRECTED = Answer(Outcome.REDIRECTED, ambiguous=False, status_code=302)


def rejected(status: int) -> Answer:
    return Answer(Outcome.REJECTED, ambiguous=False, status_code=status)


def refused(status: int) -> Answer:
    return Answer(Outcome.KEY_REFUSED, ambiguous=False, status_code=status)


def failed(status: int, retry_after: int | None = None) -> Answer:
    return Answer(Outcome.SERVER_ERROR, ambiguous=True, status_code=status, retry_after=retry_after)


def limited(retry_after: int | None = None) -> Answer:
    return Answer(Outcome.RATE_LIMITED, ambiguous=False, status_code=429, retry_after=retry_after)


UNPROVEN = {"proven": False}
OUTDATED = {"current": False}
LATE = {"ambiguous_for": timedelta(hours=20)}
LONG = {"failing_for": timedelta(hours=72)}


@pytest.mark.parametrize(
    ("answer", "history", "action"),
    [
        (ACCEPTED, {}, Action.ACCEPT),
        (ACCEPTED, LATE, Action.ACCEPT),
        (TIMEOUT, {}, Action.RETRY),
        (TIMEOUT, {"ambiguous_for": timedelta(hours=19, minutes=59)}, Action.RETRY),
        (TIMEOUT, LATE, Action.SET_ASIDE),
        (NOT_SENT, LATE, Action.SET_ASIDE),
        (NOT_SENT, {"failing_for": timedelta(hours=71, minutes=59)}, Action.RETRY),
        (NOT_SENT, LONG, Action.SET_ASIDE),
        (BROKEN, {}, Action.RETRY),
        (NOT_CONFIRMED, {}, Action.RETRY),
        (REDIRECTED, {}, Action.RETRY),
        (REDIRECTED, LONG, Action.SET_ASIDE),
        *((failed(status), {}, Action.RETRY) for status in (500, 502, 503, 504, 599)),
        *((failed(status), {}, Action.SET_ASIDE) for status in (501, 505)),
        *((rejected(status), {}, Action.RETRY) for status in (404, 405, 408, 410, 425, 460)),
        (rejected(404), LONG, Action.SET_ASIDE),
        (limited(), {}, Action.RETRY),
        (limited(), LONG, Action.SET_ASIDE),
        *((refused(status), {}, Action.HOLD) for status in (401, 403)),
        *((refused(status), OUTDATED, Action.RETRY) for status in (401, 403)),
        (rejected(400), {"events": 2}, Action.SPLIT),
        (rejected(400), {"events": 1}, Action.QUARANTINE),
        (rejected(400), {"events": 1, "rejections": 1}, Action.QUARANTINE),
        (rejected(400), {"events": 1, "rejections": 2}, Action.HOLD),
        (rejected(400), {"events": 2, "rejections": 2}, Action.SPLIT),
        (rejected(400), {"events": 2, **UNPROVEN}, Action.SPLIT),
        (rejected(400), {"events": 1, **UNPROVEN}, Action.RETRY),
        (rejected(400), {"events": 2, "rejections": 2, **UNPROVEN}, Action.HOLD),
        (rejected(400), {"events": 1, "rejections": 2, **UNPROVEN}, Action.HOLD),
        (rejected(400), {"events": 1, **OUTDATED}, Action.RETRY),
        (rejected(413), {"events": 2}, Action.SPLIT),
        (rejected(413), {"events": 2, **UNPROVEN}, Action.SPLIT),
        (rejected(413), {"events": 2, **OUTDATED}, Action.SPLIT),
        (rejected(413), {"events": 1, **UNPROVEN}, Action.QUARANTINE),
        (rejected(413), {"events": 1, "rejections": 2}, Action.QUARANTINE),
        (rejected(400), {"events": 1, **LONG, **LATE}, Action.QUARANTINE),
    ],
)
def test_decide_says_what_becomes_of_the_batch(answer, history, action):
    assert decide(answer, History(**history), chance=0.5).action == action


@pytest.mark.parametrize(
    ("answer", "history", "hold"),
    [
        (refused(401), {}, Hold.KEY_REFUSED),
        (rejected(400), {"rejections": 2, **UNPROVEN}, Hold.KEY_MALFORMED),
        (rejected(400), {"rejections": 2}, Hold.REJECTED_REPEATEDLY),
    ],
)
def test_decide_holds_with_a_reason_for_the_customer(answer, history, hold):
    decision = decide(answer, History(**history), chance=0.5)
    assert decision.hold == hold
    assert "Events are kept." in decision.reason
    # It is read in mails and on several pages.
    assert "below" not in decision.reason


@pytest.mark.parametrize(
    ("answer", "history", "delays", "counts"),
    [
        # (of the batch, of the lane, of the key) with the jitter at a half
        (TIMEOUT, {}, (0.5, 0.5, 0), True),
        (TIMEOUT, {"tries": 3, "lane_failures": 3}, (4, 4, 0), True),
        (TIMEOUT, {"tries": 3, "lane_failures": 0}, (4, 0.5, 0), True),
        (TIMEOUT, {"tries": 40, "lane_failures": 2_000}, (900, 900, 0), True),
        (failed(503, retry_after=30), {}, (30, 30, 0), True),
        (failed(503, retry_after=0), {}, (0.5, 0.5, 0), True),
        (limited(7), {"tries": 9, "lane_failures": 9}, (0, 7, 7), False),
        (limited(7), OUTDATED, (0, 0, 7), False),
        (limited(), {}, (0, 1, 1), False),
        (limited(0), {}, (0, 1, 1), False),
        (limited(), {"lane_failures": 5}, (0, 16, 16), False),
        (refused(401), OUTDATED, (0, 0, 0), False),
        (failed(501), {"lane_failures": 3}, (0, 4, 0), True),
    ],
)
def test_decide_spaces_attempts(answer, history, delays, counts):
    decision = decide(answer, History(**history), chance=0.5)
    assert (decision.batch_delay, decision.lane_delay, decision.key_delay) == delays
    assert decision.counts == counts


def test_backoff_stays_between_nothing_and_half_an_hour():
    assert [backoff(failures, 1.0) for failures in (0, 1, 10, 11, 10_000)] == [1, 2, 1_024, 1_800, 1_800]
    assert backoff(5, 0.0) == 0
