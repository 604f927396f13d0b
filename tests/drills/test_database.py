"""PostgreSQL restarted, and full."""

import secrets
import time

import pytest

from tests.drills.checker import check
from tests.drills.world import HandsError
from tests.waiting import eventually

pytestmark = pytest.mark.drill


@pytest.mark.row(10)
def test_a_database_that_is_restarted_in_mid_turn_loses_nothing(world):
    """It is away for longer than the worker tries to record. Simulated: the lease's 45 seconds are put back."""
    customer = world.customer()
    world.segment.fault("us", "delay", key=customer.key, delay_ms=500, count=1)
    worker = world.worker()
    world.capture(customer, 3)
    world.requested(customer)
    world.servers.postgres.stop()
    time.sleep(3)
    world.servers.restart_postgres()
    assert world.outcomes(customer) == ["unknown"]
    assert worker.process.poll() is None
    world.let_pass(60, customer)
    world.wake(customer)
    world.capture(customer)
    world.drained(customer)
    assert world.outcomes(customer)[:2] == ["unknown", "accepted"]
    check(world)


@pytest.mark.row(38)
def test_a_full_disk_fails_the_write_cleanly_and_all_resumes_when_there_is_room(world):
    """The database lies on a small file system in memory, which is filled to the last byte.

    Where nothing may be mounted, it is simulated: no file of the server may grow.
    """
    customer = world.customer()
    world.worker()
    world.beat()
    world.capture(customer, 5)
    world.drained(customer)
    with world.servers.full_disk():
        written = [renamed(world, customer) for _ in range(6)]
        # A file that may not grow is no full disk to PostgreSQL: it says so in other words, and refusals may find room.
        assert set(written[3:]) <= ({"failed"} if world.servers.disk.real else {"failed", "refused"})
        assert world.hands.process.poll() is None
    world.servers.recover()
    stored = world.one("SELECT count(*) FROM delivery_event WHERE source_id = %s", customer.source_id)
    assert stored == 5 + 300 * written.count("captured")
    assert eventually(lambda: renamed(world, customer) == "captured", seconds=30)
    world.drained(customer)
    check(world)


def renamed(world, customer):
    """A write of the product with megabytes of events in its transaction: none of them, or all.

    It fails, or it is there with its events or with the refusal of each: never without a trace of them.
    """
    big = {"events": 300, "filler": secrets.token_hex(10_000)}
    name = secrets.token_hex(4)
    try:
        event_ids, refused = world.hands("rename_and_capture", customer.tenant_id, name, big)
    except HandsError:
        return "failed"
    assert (len(event_ids), refused) in ((300, 0), (0, 300))
    customer.told |= set(event_ids)
    return "captured" if event_ids else "refused"
