"""PostgreSQL restarted, and full."""

import secrets
import time

import pytest

from tests.drills.checker import check
from tests.drills.world import HandsError
from tests.waiting import eventually

pytestmark = pytest.mark.drill


@pytest.mark.row(10)
@pytest.mark.slow_drill
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
@pytest.mark.slow_drill
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
        assert "captured" not in written[3:]
        assert world.hands.process.poll() is None
    world.servers.recover()
    assert eventually(lambda: renamed(world, customer) == "captured", seconds=30)
    world.drained(customer)
    check(world)


def renamed(world, customer):
    """A write of the product with megabytes of events in its transaction: none of them, or all.

    When nothing else can be stored, the log tells of refusals without a row.
    """
    big = {"events": 300, "filler": secrets.token_hex(10_000)}
    try:
        event_ids, refused = world.hands("rename_and_capture", customer.tenant_id, secrets.token_hex(4), big)
    except HandsError:
        return "failed"
    assert len(event_ids) in (0, 300)
    if not event_ids and not refused:
        assert any("refusals could not be stored" in log.read_text() for log in world.logs.glob("hands-*.log"))
    customer.told |= set(event_ids)
    return "captured" if event_ids else "refused"
