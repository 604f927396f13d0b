"""Workers that are killed, stopped or crashed."""

import json
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.drills.checker import check
from tests.drills.proxy import proxy
from tests.waiting import eventually

pytestmark = pytest.mark.drill


@pytest.mark.row(1)
@pytest.mark.slow_drill
def test_worker_killed_before_the_post_is_replaced_within_a_minute(world):
    """Nothing is simulated: a proxy takes the connection and passes nothing on, and the lease runs out by itself."""
    customer, bystander = world.customer(), world.customer("eu")
    world.beat()
    with proxy(world.segment.us_url) as gate:
        gate.passing = False
        first = world.worker(SEGMENT_US_URL=gate.url)
        world.capture(customer, 3)
        assert eventually(lambda: gate.heard)
        first.kill()
    world.worker()
    world.capture(bystander)
    world.drained(bystander, seconds=20)
    assert world.requests(customer) == []
    world.drained(customer, seconds=60)
    assert len(world.requests(customer)) == 1
    assert world.outcomes(customer) == ["unknown", "accepted"]
    check(world, bystander)


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
    world.beat()  # a hint may be lost, on a busy machine too
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


@pytest.mark.row(3)
@pytest.mark.slow_drill
def test_web_killed_inside_the_transaction_that_captures_leaves_no_event(world, web):
    """The table of events is locked, so the request stands in the middle of its transaction when gunicorn dies."""
    customer = world.customer()
    web.key_of(customer)
    with psycopg.connect(world.servers.postgres.url) as locking, ThreadPoolExecutor(1) as pool:
        locking.execute("LOCK TABLE delivery_event IN SHARE MODE")
        posted = pool.submit(web.capture, customer)
        assert eventually(lambda: world.one(WAITING_FOR_LOCK))
        web.kill()
        assert posted.exception(20) is not None
    assert eventually(lambda: world.one(WAITING_FOR_LOCK), lambda waiting: waiting == 0) == 0
    assert world.one("SELECT count(*) FROM delivery_event WHERE source_id = %s", customer.source_id) == 0
    world.capture(customer)
    check(world)


WAITING_FOR_LOCK = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.mark.row(4)
@pytest.mark.slow_drill
def test_worker_told_to_stop_finishes_its_requests_and_sends_nothing_twice(world):
    customers = [world.customer() for _ in range(3)]
    world.segment.fault("us", "delay", delay_ms=3_000)
    worker = world.worker()
    for customer in customers:
        world.capture(customer)
    for customer in customers:
        world.requested(customer)
    told_at = world.one("SELECT clock_timestamp()")
    assert worker.stop() == 0
    assert world.one("SELECT max(finished_at) FROM delivery_attempt") > told_at, "None was in flight any more."
    world.segment.clear_faults()
    world.capture(customers[0])
    world.worker().ready()
    world.beat()
    for customer in customers:
        world.wake(customer)
    world.drained(*customers)
    assert [world.outcomes(customer) for customer in customers] == [["accepted"] * 2, ["accepted"], ["accepted"]]
    check(world)


@pytest.mark.row(5)
@pytest.mark.slow_drill
def test_a_batch_that_crashes_its_worker_each_time_is_set_aside(world):
    """The worker is killed whenever the batch's request has come. Simulated: the lease's 45 seconds are put back.

    The first crash makes it suspected, the three after it were the batch's alone.
    """
    customer, bystander = world.customer(), world.customer()
    world.segment.fault("us", "hang", containing="poison")
    world.capture(customer, 2, filler="poison")
    for crashes in range(1, 5):
        worker = world.worker()
        world.wake(customer)
        world.requested(customer, crashes)
        worker.kill()
        world.let_pass(60, customer)
    world.worker()
    world.beat()
    world.wake(customer)
    world.drained(customer)
    assert world.batches(customer) == [("set_aside", 2)]
    assert "broke down" in world.reasons(customer)[0]
    world.capture(customer)
    world.capture(bystander)
    world.drained(customer)
    assert world.batches(customer) == [("accepted", 1), ("set_aside", 2)]
    assert len(world.requests(customer)) == 5
    check(world, bystander)


@pytest.mark.row(22)
@pytest.mark.slow_drill
def test_a_missing_beat_is_told_until_there_is_one(world, web):
    """Nothing is simulated: the alarm comes 15 s after the last sweep."""
    world.worker()
    assert web.ready()["problems"]["sweep"].startswith("No sweep is known of.")
    beat = world.beat()
    ready = {"status": "ready", "problems": {}}
    assert eventually(web.ready, lambda said: said == ready) == ready
    beat.kill()
    said = eventually(web.ready, lambda said: said != ready)
    assert said["status"] == "degraded"
    assert said["problems"]["sweep"].startswith("No sweep for 1")
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
