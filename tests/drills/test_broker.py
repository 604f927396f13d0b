"""Redis, or Valkey: down, frozen, emptied, restarted."""

import signal

import pytest

from tests.drills.checker import check
from tests.waiting import eventually

pytestmark = pytest.mark.drill


def capture_in_time(web, customer):
    """The first captures may wait for a broker that does not answer, one in each process of the web; no others."""
    seconds = []
    for _ in range(9):
        web.capture(customer)
        seconds.append(web.seconds)
    assert max(seconds) < 2.5
    assert sorted(seconds)[4] < 0.5


@pytest.fixture
def customers(world, web):
    """With web, worker and beat at work, and all connections made."""
    customers = [world.customer(), world.customer("eu")]
    world.worker()
    world.beat()
    for capture in (world.capture, web.capture):
        for customer in customers:
            capture(customer)
        world.drained(*customers)
    return customers


@pytest.mark.row(6)
def test_captures_stay_fast_while_the_broker_is_down_and_all_drains_after(world, web, customers):
    """Simulated: it is down for seconds instead of ten minutes. Nobody restarts the worker or the beat."""
    world.servers.valkey.stop()
    for customer in customers:
        capture_in_time(web, customer)
    world.servers.valkey.start()
    world.drained(*customers)
    check(world, *customers)


@pytest.mark.row(7)
def test_captures_stay_fast_while_the_broker_is_frozen_and_all_drains_after(world, web, customers):
    """Simulated: for seconds instead of ten minutes."""
    process = world.servers.valkey.process
    process.send_signal(signal.SIGSTOP)
    for customer in customers:
        capture_in_time(web, customer)
    process.send_signal(signal.SIGCONT)
    world.drained(*customers)
    check(world, *customers)


@pytest.mark.row(8)
def test_a_broker_that_is_emptied_loses_no_event(world):
    customers = [world.customer(), world.customer("eu")]
    for customer in customers:
        world.capture(customer, 5)
    world.broker.flushall()
    world.worker()
    world.beat()
    world.drained(*customers)
    check(world, *customers)


@pytest.mark.row(8)
def test_a_broker_that_is_emptied_again_and_again_keeps_no_worker_from_its_work(world, customers):
    """Hints, queues, flags and rates go, between two captures and in mid-request. Nobody restarts anything."""
    world.segment.fault("us", "delay", key=customers[0].key, delay_ms=300)
    for _ in range(5):
        for customer in customers:
            world.capture(customer, 3)
        world.broker.flushall()
    world.requested(customers[0], 3)
    world.broker.flushall()
    world.drained(*customers)
    check(world, *customers)


@pytest.mark.row(9)
def test_a_worker_that_loses_the_broker_while_busy_records_its_answer_and_goes_on(world, customers):
    busy = customers[0]
    world.segment.fault("us", "delay", key=busy.key, delay_ms=3_000, count=1)
    world.capture(busy)
    world.requested(busy, 3)
    world.servers.valkey.stop()
    assert eventually(lambda: world.outcomes(busy), lambda ends: ends == ["accepted"] * 3) == ["accepted"] * 3
    world.servers.valkey.start()
    for customer in customers:
        world.capture(customer)
    world.drained(*customers)
    check(world, *customers)
