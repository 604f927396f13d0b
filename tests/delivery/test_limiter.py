import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from delivery import redis_link
from delivery.limiter import INTERVAL, PATIENCE, SCRIPT, LocalShare, permit
from delivery.redis_link import ask


def redis_now():
    seconds, microseconds = ask(lambda redis: redis.time())
    return seconds * 1_000_000 + microseconds


def run_script(interval=INTERVAL, patience=PATIENCE, key="test"):
    return ask(lambda redis: redis.eval(SCRIPT, 2, key, "counts", interval, patience))[0]


def test_interval_lets_fifty_requests_begin_in_a_second_at_most():
    assert 49 * INTERVAL >= 1_000_000 > 48 * INTERVAL


def test_permits_are_spaced_by_the_interval():
    """Far longer than a call takes, so that the waits are exact sums."""
    waits = [run_script(interval=10_000_000, patience=60_000_000) for _ in range(4)]
    assert waits[0] == 0
    assert all(9_000_000 < later - earlier <= 10_000_000 for earlier, later in pairwise(waits))


def test_permit_that_is_too_far_off_is_not_taken():
    run_script(interval=10_000_000)
    first, second = (run_script(interval=10_000_000) for _ in range(2))
    assert PATIENCE < second <= first <= 10_000_000


def test_a_time_that_no_permit_can_have_set_is_discarded():
    """The clock was put back an hour: without this, nothing would be sent for that hour."""
    ask(lambda redis: redis.set("test", redis_now() + 3_600_000_000))
    assert run_script() == 0


def test_a_time_that_a_permit_can_have_set_is_kept():
    ask(lambda redis: redis.set("test", redis_now() + PATIENCE + INTERVAL))
    assert PATIENCE < run_script() <= PATIENCE + INTERVAL


def test_keys_are_limited_apart_and_forgotten_soon():
    assert run_script(interval=10_000_000, key="a") == run_script(interval=10_000_000, key="b") == 0
    assert run_script(interval=10_000_000, key="a") > PATIENCE
    assert 0 < ask(lambda redis: redis.pttl("a")) <= 10_001


def test_permits_of_many_threads_are_spaced_too():
    with ThreadPoolExecutor(6) as pool:
        waits = sorted(pool.map(lambda _: run_script(interval=10_000_000, patience=10**12), range(60)))
    assert all(9_000_000 < later - earlier <= 10_000_000 for earlier, later in pairwise(waits))


@pytest.fixture
def no_redis(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    yield
    redis_link.try_again()


def test_without_redis_a_share_is_left(no_redis, settings):
    assert 0.9 < permit("never asked before").wait <= 1
    share = LocalShare()
    settings.WORKER_PROCESSES = 4
    first = share.permit("a")
    assert 900_000 < first <= 1_000_000


def test_local_share_spaces_by_the_number_of_processes(settings):
    settings.WORKER_PROCESSES = 2
    share = LocalShare()
    taken: list[int] = []
    while len(taken) < 4:
        wait = share.permit("a")
        if wait <= PATIENCE:
            taken.append(time.monotonic_ns() // 1_000 + wait)
        time.sleep(wait / 2_000_000)
    assert all(later - earlier >= 2 * INTERVAL - 1_000 for earlier, later in pairwise(taken))
