import logging
from functools import partial

import pytest

from delivery import breaker, limiter
from delivery.breaker import (
    FAILING_SOURCES,
    KEPT_OUT_SECONDS,
    PROBE_SECONDS,
    SPEAK_OF_REGION,
    Breaker,
    breakers,
    keys,
    let_through,
)  # fmt: skip
from delivery.enums import Outcome
from delivery.limiter import Asked, permit, permits
from delivery.outcomes import Answer
from delivery.redis_link import ask

LANES = [(1, "us", True), (2, "us", False), (3, "us", True)]
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def no_doubt():
    breaker._doubted.clear()  # noqa: SLF001  # what another test left in it


def answered(region, source_id, outcome, status=200):
    breaker.answered(region, source_id, Answer(outcome, ambiguous=False, status_code=status))


def fail(count, region="us"):
    for source_id in range(1, count + 1):
        answered(region, source_id, Outcome.TIMEOUT)


def asked(source_id, region="us", key=None):
    return permit(key or f"key {source_id}", region, source_id)


@pytest.mark.parametrize(
    ("state", "chosen"),
    [
        (Breaker(FAILING_SOURCES - 1), LANES),
        (Breaker(FAILING_SOURCES - 1, probing=True), LANES),
        (Breaker(FAILING_SOURCES), [(2, "us", False)]),
        (Breaker(FAILING_SOURCES, probing=True), []),
    ],
)
def test_breaker_chooses_all_or_one_that_did_not_fail_or_none(state, chosen):
    assert state.choose(LANES) == chosen


def test_breaker_takes_a_failing_lane_when_there_is_no_other():
    assert Breaker(FAILING_SOURCES).choose([LANES[0], LANES[2]], pick=lambda lanes: lanes[-1]) == [LANES[2]]


@pytest.mark.parametrize("outcome", sorted(SPEAK_OF_REGION))
def test_breaker_opens_after_failures_of_three_sources(outcome):
    for source_id in (1, 2, 2, 1):
        answered("us", source_id, outcome)
    assert breakers() == {"us": Breaker(2), "eu": Breaker()}
    answered("us", 3, outcome)
    assert breakers()["us"].is_open
    assert not breakers()["eu"].is_open


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - SPEAK_OF_REGION))
def test_any_answer_below_500_closes_the_breaker(outcome):
    fail(3)
    assert asked(9).is_given
    answered("us", 9, outcome)
    assert breakers()["us"] == Breaker()
    assert all(each.is_given for each in permits([Asked(f"key {number}", "us", number) for number in range(3)]))


def test_an_attempt_that_never_asked_the_region_closes_nothing():
    """As delivery/sending.py says it: no permit came in time."""
    fail(3)
    assert asked(9).is_given
    answered("us", 9, Outcome.RATE_LIMITED, status=None)
    assert breakers()["us"].is_open


def test_an_answer_asks_redis_only_after_a_permit_that_knew_of_failures(settings, caplog):
    """The address is of no Redis: whoever asks it is told so."""
    caplog.set_level(logging.INFO)
    asked(1)
    settings.REDIS_URL = NOWHERE
    answered("us", 1, Outcome.ACCEPTED)
    assert caplog.records == []
    breaker.heard("us", 1)
    answered("us", 1, Outcome.ACCEPTED)
    assert len(caplog.records) == 1


def test_open_breaker_gives_one_permit_until_the_probe_has_ended():
    fail(3)
    first, second, third = (asked(source_id) for source_id in (7, 8, 9))
    assert (first.is_given, second.wait, third.wait) == (True, KEPT_OUT_SECONDS, KEPT_OUT_SECONDS)
    assert breakers()["us"].probing
    assert asked(1, "eu").is_given


def test_a_wave_of_permits_has_one_probe():
    fail(3)
    waits = permits([Asked(f"key {number}", "us", number) for number in range(5)])
    assert [each.is_given for each in waits] == [True, False, False, False, False]


def test_a_key_that_must_wait_does_not_become_the_probe(monkeypatch):
    monkeypatch.setattr(limiter, "INTERVAL", 10_000_000)
    asked(1, key="busy")
    fail(3)
    assert not asked(1, key="busy").is_given
    assert not breakers()["us"].probing


def test_the_probes_own_failure_lets_the_next_one_go_soon_and_no_other():
    fail(3)
    asked(7)
    probe = keys("us")[1]
    answered("us", 8, Outcome.TIMEOUT)
    assert ask(lambda redis: redis.ttl(probe)) > PROBE_SECONDS - 3
    answered("us", 7, Outcome.TIMEOUT)
    assert 0 < ask(lambda redis: redis.ttl(probe)) <= breaker.BETWEEN_PROBES_SECONDS
    ask(lambda redis: redis.delete(probe))
    assert asked(8).is_given


def test_a_probe_lasts_no_longer_for_a_clock_that_was_put_back():
    """Redis keeps the moment at which a key ends: it would keep the whole region out until then."""
    fail(3)
    ask(lambda redis: redis.set(keys("us")[1], 7, px=3_600_000))
    assert breakers()["us"] == Breaker(3, probing=False)
    assert [asked(source_id).is_given for source_id in (8, 9)] == [True, False]
    assert breakers()["us"] == Breaker(3, probing=True)


def test_breaker_is_forgotten_by_itself():
    fail(3)
    asked(1)
    assert all(ask(partial(_ttl, name)) > 0 for name in keys("us"))


def _ttl(name, redis):
    return redis.ttl(name)


def test_sweep_wakes_one_lane_of_a_region_that_answers_nobody():
    fail(3)
    lanes = [*LANES, (4, "eu", True), (5, "eu", False)]
    assert let_through(lanes) == [(2, "us", False), (4, "eu", True), (5, "eu", False)]
    asked(2)
    assert let_through(lanes) == [(4, "eu", True), (5, "eu", False)]
    assert let_through([]) == []


def test_opening_and_closing_are_logged_once(caplog):
    caplog.set_level(logging.WARNING)
    fail(5)
    asked(1)
    for _ in range(2):
        answered("us", 1, Outcome.ACCEPTED)
    assert [(record.getMessage(), record.region) for record in caplog.records] == [
        ("Region us answers nobody: one request at a time is tried.", "us"),
        ("Region us answers again.", "us"),
    ]


def test_without_redis_the_breaker_is_closed(settings):
    fail(3)
    settings.REDIS_URL = NOWHERE
    fail(3)
    assert breakers() == {"us": Breaker(), "eu": Breaker()}
    assert let_through(LANES) == LANES
