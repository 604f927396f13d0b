"""Workers that are killed, stopped or crashed."""

import json

import pytest

from tests.drills.checker import check
from tests.drills.proxy import proxy
from tests.waiting import eventually

pytestmark = pytest.mark.drill


@pytest.mark.row(1)
@pytest.mark.slow_drill
def test_worker_killed_before_the_post_is_replaced_within_a_minute(world):
    """Nothing is simulated: a proxy takes the connection and passes nothing on, and the lease runs out by itself."""
    customer = world.customer()
    world.beat()
    with proxy(world.segment.us_url) as gate:
        gate.passing = False
        first = world.worker(SEGMENT_US_URL=gate.url)
        world.capture(customer, 3)
        assert eventually(lambda: gate.heard)
        first.kill()
    world.worker()
    assert world.requests(customer) == []
    world.drained(customer, seconds=60)
    assert len(world.requests(customer)) == 1
    assert world.outcomes(customer) == ["unknown", "accepted"]
    check(world)


@pytest.mark.row(2)
def test_worker_killed_after_the_post_leaves_it_unknown_and_it_is_sent_again(world):
    """The stand-in takes the events and is slow to say so. Simulated: the lease's 45 seconds are put back."""
    customer, bystander = world.customer(), world.customer()
    world.segment.fault("us", "delay", key=customer.key, delay_ms=5_000, count=1)
    first = world.worker()
    world.capture(customer, 3)
    world.requested(customer)
    first.kill()
    world.let_pass(60, customer)
    world.worker()
    world.wake(customer)
    world.capture(bystander)
    world.drained(customer)
    assert world.outcomes(customer) == ["unknown", "accepted"]
    states = [entry["state"] for entry in world.segment.entries("us", customer.key)]
    assert sorted(states) == ["accepted"] * 3 + ["duplicate"] * 3
    check(world, bystander)


@pytest.mark.row(3)
def test_process_killed_inside_its_transaction_leaves_neither_the_write_nor_the_event(world):
    customer = world.customer()
    name = world.one("SELECT name FROM tenants_tenant WHERE id = %s", customer.tenant_id)
    hands = world.new_hands()
    hands.say(json.dumps(["rename_and_capture", customer.tenant_id, "Renamed", {"wait": True}]))
    hands.hear()
    hands.close()
    lock = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'"
    assert eventually(lambda: world.one(lock), lambda open_ones: open_ones == 0) == 0
    assert world.one("SELECT name FROM tenants_tenant WHERE id = %s", customer.tenant_id) == name
    assert world.one("SELECT count(*) FROM delivery_event WHERE source_id = %s", customer.source_id) == 0
    world.capture(customer)
    check(world)


@pytest.mark.row(4)
def test_worker_told_to_stop_finishes_its_requests_and_sends_nothing_twice(world):
    customers = [world.customer() for _ in range(3)]
    world.segment.fault("us", "delay", delay_ms=2_000)
    worker = world.worker()
    for customer in customers:
        world.capture(customer)
    for customer in customers:
        world.requested(customer)
    assert worker.stop() == 0
    world.segment.clear_faults()
    world.worker().ready()
    for customer in customers:
        world.wake(customer)
    world.drained(*customers)
    assert [world.outcomes(customer) for customer in customers] == [["accepted"]] * 3
    check(world)


@pytest.mark.row(22)
def test_without_a_beat_captures_are_sent_all_the_same(world):
    customer = world.customer()
    world.worker()
    for _ in range(3):
        world.capture(customer)
        world.drained(customer)
    assert world.outcomes(customer) == ["accepted"] * 3
    check(world)


@pytest.mark.row(42)
def test_a_200_that_comes_after_the_lease_was_lost_counts(world):
    """Simulated: the lease is taken away in mid-request, and nobody else works on the lane before the answer comes."""
    customer = world.customer()
    world.segment.fault("us", "delay", key=customer.key, delay_ms=1_500, count=1)
    world.worker()
    world.capture(customer)
    world.requested(customer)
    world.rows(
        "UPDATE delivery_lane SET lease_token = gen_random_uuid(), leased_until = clock_timestamp()"
        " WHERE source_id = %s",
        customer.source_id,
    )
    world.drained(customer)
    world.wake(customer)
    world.all_tasks_taken()
    assert world.outcomes(customer) == ["accepted"]
    assert len(world.requests(customer)) == 1
    check(world)
