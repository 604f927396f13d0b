"""The end of the retention, met by events that were never accepted."""

import json

import pytest

from tests.drills.checker import check

pytestmark = pytest.mark.drill


def retention(world):
    """One run, as beat starts one each hour."""
    return json.loads(world.manage("retention", "--json"))


def days_pass(world, days):
    for table, columns in (
        ("delivery_eventpartition", ("opened_at", "passed_at")),
        ("delivery_retentionwarning", ("warned_at", "expires_at")),
    ):
        sets = ", ".join(f"{column} = {column} - make_interval(days => %(days)s)" for column in columns)
        world.rows(f"UPDATE {table} SET {sets}", days=days)


def warnings(world, customer):
    query = "SELECT number FROM delivery_retentionwarning WHERE source_id = %s ORDER BY 1"
    return [number for (number,) in world.rows(query, customer.source_id)]


@pytest.mark.row(43)
@pytest.mark.slow_drill
def test_events_that_a_held_source_owes_stay_until_their_tenant_was_warned_twice(world):
    """Simulated: the days. The times of partitions and warnings are put back."""
    customer, bystander = world.customer(), world.customer()
    world.segment.fault("us", "status", key=customer.key, status=401)
    world.worker()
    world.capture(customer, 2)
    world.wake(customer)
    world.held(customer, "key_refused")
    world.capture(customer, 3)
    world.manage("partitions")
    days_pass(world, 4)
    retention(world)
    world.capture(bystander, 2)
    world.wake(bystander)
    for days, expected in ((23, []), (1, [1]), (3, [1, 2]), (2, [1, 2])):
        days_pass(world, days)
        retention(world)
        assert warnings(world, customer) == expected
        assert world.waiting(customer) == 5
    check(world, bystander)
    days_pass(world, 1)
    assert retention(world)["expired_events"] >= 5
    assert world.batches(customer) == [("discarded", 2), ("discarded", 3)]
    reasons = world.reasons(customer)
    assert reasons
    assert all(reason.startswith("Expired after 30 days without being accepted; warned on ") for reason in reasons)
    assert world.one("SELECT count(*) FROM delivery_pending WHERE source_id = %s", customer.source_id) == 0
    assert world.one("SELECT count(*) FROM delivery_event WHERE source_id = %s", customer.source_id) == 0
    assert world.one("SELECT count(*) FROM delivery_event WHERE source_id = %s", bystander.source_id) == 2
    world.customers.remove(customer)
    check(world, bystander)
