import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest

from delivery import limiter, redis_link
from delivery.limiter import (
    FIRST_SECONDS,
    INTERVAL,
    LATE_SECONDS,
    OWN_SHARE,
    PATIENCE,
    SCRIPT,
    SHARED,
    SHARED_MILLISECONDS,
    SINCE,
    Asked,
    LocalShare,
    Permit,
    keep,
    permit,
    permits,
)
from delivery.redis_link import REST_SECONDS, ask


def redis_now():
    seconds, microseconds = ask(lambda redis: redis.time())
    return seconds * 1_000_000 + microseconds


def run_script(interval=INTERVAL, patience=PATIENCE, key="test", lead=0, span=0):
    arguments = [interval, patience, "", "", "", "", lead, span, SHARED_MILLISECONDS]
    return ask(lambda redis: redis.eval(SCRIPT, 4, key, "counts", SHARED, SINCE, *arguments))[0]


def test_interval_lets_fifty_requests_come_in_a_second_at_most_when_one_is_forty_milliseconds_late():
    assert 48 * INTERVAL >= 1_000_000 > 47.6 * INTERVAL
    assert 50 * INTERVAL >= 1_000_000 + 40_000


def test_permits_are_spaced_by_the_interval():
    """Far longer than a call takes, so that the waits are exact sums."""
    waits = [run_script(interval=10_000_000, patience=60_000_000) for _ in range(4)]
    assert waits[0] == 0
    assert all(9_000_000 < later - earlier <= 10_000_000 for earlier, later in pairwise(waits))


def test_wait_counts_from_the_moment_that_was_asked_for():
    assert run_script(interval=10_000_000, patience=60_000_000, lead=5_000_000) == 0
    assert 14_000_000 < run_script(interval=10_000_000, patience=60_000_000) <= 15_000_000
    assert 19_000_000 < run_script(interval=10_000_000, patience=60_000_000, lead=5_000_000) <= 20_000_000


def test_the_next_permit_is_later_by_the_time_in_which_a_request_may_begin():
    assert run_script(interval=10_000_000, patience=60_000_000, span=7_000_000) == 0
    assert 16_000_000 < run_script(interval=10_000_000, patience=60_000_000) <= 17_000_000


def test_a_permit_for_a_span_is_kept_by_a_request_that_begins_in_it():
    [later] = permits([Asked("a", lead=50_000, span=60_000_000)])
    assert 0.04 < later.seconds_left <= 0.05
    past = replace(later, asked_at=later.asked_at - 30, given_at=later.given_at - 30)
    assert not past.is_late
    assert replace(past, span=0.0).is_late


def test_permit_that_is_too_far_off_is_not_taken():
    run_script(interval=10_000_000)
    first, second = (run_script(interval=10_000_000) for _ in range(2))
    assert PATIENCE < second <= first <= 10_000_000


FURTHEST = 3 * PATIENCE + INTERVAL


def test_a_time_that_no_permit_can_have_set_is_brought_near():
    """The clock was put back an hour: without this, nothing would be sent for that hour."""
    ask(lambda redis: redis.set("test", redis_now() + 3_600_000_000))
    assert run_script() == FURTHEST
    assert PATIENCE < run_script() < FURTHEST
    assert 0 < ask(lambda redis: redis.pttl("test")) <= FURTHEST // 1_000 + 1


def test_a_redis_that_was_emptied_waits_until_the_permits_that_it_forgot_are_used():
    ask(lambda redis: redis.delete(SINCE))
    assert run_script() == FURTHEST
    assert PATIENCE < run_script(key="another") < FURTHEST
    ask(lambda redis: redis.set(SINCE, redis_now() - FURTHEST))
    assert run_script() == run_script(key="another") == 0


def test_the_wait_of_an_emptied_redis_is_no_longer_for_a_clock_that_was_put_back():
    ask(lambda redis: redis.set(SINCE, redis_now() + 3_600_000_000))
    assert run_script() == FURTHEST


def test_a_time_that_a_permit_can_have_set_is_kept():
    ask(lambda redis: redis.set("test", redis_now() + FURTHEST))
    assert PATIENCE < run_script() <= FURTHEST


def test_keys_are_limited_apart_and_forgotten_soon():
    assert run_script(interval=10_000_000, key="a") == run_script(interval=10_000_000, key="b") == 0
    assert run_script(interval=10_000_000, key="a") > PATIENCE
    assert 0 < ask(lambda redis: redis.pttl("a")) <= 10_001


def test_permits_of_many_threads_are_spaced_too():
    with ThreadPoolExecutor(6) as pool:
        waits = sorted(pool.map(lambda _: run_script(interval=10_000_000, patience=10**12), range(60)))
    assert all(9_000_000 < later - earlier <= 10_000_000 for earlier, later in pairwise(waits))


@pytest.fixture(autouse=True)
def fresh_share(monkeypatch):
    monkeypatch.setattr(limiter, "_LOCAL", LocalShare())


@pytest.fixture
def no_redis(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    yield
    redis_link.try_again()


def test_without_redis_a_share_is_left_once_redis_was_asked_again(no_redis):
    assert REST_SECONDS < FIRST_SECONDS - 0.1 < permit("a").wait <= FIRST_SECONDS


def test_a_failure_that_is_over_soon_leaves_no_share(settings, monkeypatch):
    monkeypatch.setattr(limiter, "FIRST_SECONDS", 0.2)
    redis_link.leave_alone()
    assert not permit("a").is_given
    redis_link.try_again()
    assert permit("a").is_given
    time.sleep(0.2)
    redis_link.leave_alone()
    assert not permit("a").is_given
    redis_link.try_again()


def test_the_first_to_find_redis_back_lets_all_wait_for_those_who_leave_it_alone(monkeypatch):
    monkeypatch.setattr(limiter, "FIRST_SECONDS", 0.0)
    redis_link.leave_alone()
    assert permit("a").is_given
    redis_link.try_again()
    monkeypatch.setattr(limiter, "FIRST_SECONDS", FIRST_SECONDS)
    assert not permit("a").is_given
    assert run_script(key="another") == OWN_SHARE
    ask(lambda redis: redis.pexpire(SHARED, 1_000))
    assert PATIENCE < run_script(key="another") <= 1_200_000
    ask(lambda redis: redis.delete(SHARED))
    assert permit("a").is_given
    assert not ask(lambda redis: redis.exists(SHARED))


def test_shares_are_kept_no_longer_for_a_clock_that_was_put_back():
    ask(lambda redis: redis.set(SHARED, 1, px=3_600_000))
    assert run_script() == OWN_SHARE
    assert 0 < ask(lambda redis: redis.pttl(SHARED)) <= SHARED_MILLISECONDS


def test_a_permit_that_is_late_is_asked_for_anew():
    late = replace(permit("a"), asked_at=time.monotonic() - 1, given_at=time.monotonic() - 1)
    assert late.is_late
    assert keep(late)
    assert permit("a").wait > 0  # the other one was taken just now


def test_a_permit_is_given_up_when_none_comes_in_time(no_redis, monkeypatch):
    monkeypatch.setattr(limiter, "KEEP_TRYING_SECONDS", 0.1)
    monkeypatch.setattr(limiter, "FIRST_SECONDS", 0.3)
    assert not keep(Permit("a", 0.0, time.monotonic() - 1, time.monotonic() - 1))


def test_a_permit_that_comes_after_the_end_is_not_waited_for(monkeypatch):
    """The lease outlasts the tries and the request, not a longer sleep."""
    monkeypatch.setattr(limiter, "INTERVAL", 60_000_000)
    permit("a")
    begun = time.monotonic()
    assert not keep(Permit("a", 0.0, begun - 1, begun - 1))
    assert time.monotonic() - begun < 5


def test_permits_kept_by_threads_that_were_held_up_are_spaced(monkeypatch):
    """Ten requests stood still between their permits and now: as many more are asked for, and none goes at once."""
    began: list[float] = []

    def go(_number):
        then = time.monotonic() - 5
        assert keep(Permit("a", 0.0, then, then))
        began.append(time.monotonic())

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(go, range(10)))
    assert max(began) - min(began) >= 9 * INTERVAL / 1_000_000 - LATE_SECONDS


def test_local_share_spaces_by_the_number_of_processes(settings, monkeypatch):
    settings.WORKER_PROCESSES = 2
    share = LocalShare()
    monkeypatch.setattr(limiter, "FIRST_SECONDS", 0.1)
    taken: list[int] = []
    while len(taken) < 4:
        wait = share.permit(Asked("a"))
        if wait <= PATIENCE:
            taken.append(time.monotonic_ns() // 1_000 + wait)
        time.sleep(wait / 2_000_000)
    assert all(later - earlier >= 2 * INTERVAL - 1_000 for earlier, later in pairwise(taken))


def test_local_share_keeps_to_lead_and_span(settings, monkeypatch):
    settings.WORKER_PROCESSES = 1
    share = LocalShare()
    monkeypatch.setattr(limiter, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(limiter, "PATIENCE", 60_000_000)
    assert share.permit(Asked("a", lead=10_000_000, span=20_000_000)) == 0
    assert 29_000_000 < share.permit(Asked("a")) - INTERVAL <= 30_000_000
