"""Leases, duplicates, one customer's trouble and the others. One worker and one beat serve the module."""

import json
import random
import time

import pytest

from tests.drills.checker import check
from tests.waiting import eventually

pytestmark = [pytest.mark.drill, pytest.mark.usefixtures("plant")]


@pytest.mark.row(21)
def test_the_same_task_a_hundred_times_sends_once(world):
    customer = world.customer()
    world.segment.fault("us", "delay", key=customer.key, delay_ms=300)
    world.capture(customer)
    world.hands("hint", [customer.source_id], "us", 100)
    world.drained(customer)
    world.all_tasks_taken()
    assert len(world.requests(customer)) == 1
    check(world)


@pytest.mark.row(22)
def test_a_second_beat_sends_nothing_more(world):
    customer = world.customer()
    world.beat().ready("is starting")
    for count in range(3):
        world.capture(customer)
        world.drained(customer)
        assert len(world.requests(customer)) == count + 1
    check(world)


@pytest.mark.row(34)
def test_a_worker_whose_lease_ran_out_cannot_overwrite_what_came_after(world):
    """Simulated: the lease's 45 seconds are put back while the request is under way."""
    customer = world.customer()
    world.segment.fault("us", "status", key=customer.key, status=503, delay_ms=2_500, count=1)
    world.capture(customer)
    world.requested(customer)
    world.let_pass(60, customer)
    world.drained(customer)
    assert eventually(lambda: world.outcomes(customer), lambda ends: ends == ["server_error", "accepted"])
    assert world.outcomes(customer) == ["server_error", "accepted"]
    assert world.batches(customer) == [("accepted", 1)]
    assert world.one("SELECT failures FROM delivery_lane WHERE source_id = %s", customer.source_id) == 0
    check(world)


@pytest.mark.row(37)
def test_a_long_transaction_delays_its_own_events_only(world):
    """Simulated: it is open for seconds instead of minutes; newer events of the same source pass it meanwhile."""
    customer, bystander = world.customer(), world.customer()
    hands = world.new_hands()
    hands.say(json.dumps(["rename_and_capture", customer.tenant_id, "Slow", {"wait": True}]))
    hands.hear()
    for _ in range(2):
        world.capture(customer, 2)
        world.capture(bystander)
        world.drained(customer, bystander)
    hands.say("")
    customer.told |= set(hands.hear()[0])
    assert world.waiting(customer) <= 1
    world.drained(customer, seconds=10)
    arrived = [call["event"] for call in world.segment.events("us", customer.key)]
    assert sorted(arrived) == ["Step 0 Done"] * 2 + ["Step 1 Done"] * 2 + ["Tenant Renamed"]
    assert arrived[-1] == "Tenant Renamed"
    check(world, bystander)


@pytest.mark.row(41)
def test_captures_that_race_with_turns_are_sent_within_a_second_and_a_half(world):
    """Forty captures, each at another point of a turn; test_interleavings.py steps through the orders one by one."""
    customer = world.customer()
    spread = random.Random(41)
    for _ in range(40):
        world.capture(customer)
        time.sleep(spread.uniform(0, 0.08))
    world.drained(customer)
    latest = "SELECT max(attempt.started_at - event.captured_at) FROM delivery_event AS event"
    latest += " JOIN delivery_batch AS batch ON event.id = ANY(batch.event_ids)"
    latest += " JOIN delivery_attempt AS attempt ON attempt.batch_id = batch.id WHERE event.source_id = %s"
    assert world.one(latest, customer.source_id).total_seconds() < 1.5
    check(world)
