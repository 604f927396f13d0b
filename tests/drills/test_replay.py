"""Sending again what was set aside."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.drills.checker import check

pytestmark = pytest.mark.drill


def replay(customer):
    return "replay", "--source", str(customer.source_id), "--answer", "501"


@pytest.mark.row(36)
@pytest.mark.slow_drill
def test_a_replay_asked_for_twice_at_once_is_one(world):
    """Two processes ask with the same token at the same moment."""
    customer = world.customer()
    worker = world.worker()
    world.segment.fault("us", "status", key=customer.key, status=501, count=1)
    world.capture(customer, 3)
    world.drained(customer)
    assert world.batches(customer) == [("set_aside", 3)]
    worker.kill()
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda token: world.manage(*replay(customer), "--token", token, "--yes"), ["twice"] * 2)
    assert len(list(answers)) == 2
    assert world.one("SELECT count(*) FROM delivery_replay WHERE source_id = %s", customer.source_id) == 1
    world.let_pass(60, customer)
    world.worker()
    world.wake(customer)
    world.drained(customer)
    assert len(world.requests(customer)) == 2
    check(world)
