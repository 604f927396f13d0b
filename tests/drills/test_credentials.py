"""Write keys, regions and sources that change or are refused. One worker and one beat serve the module."""

import secrets

import pytest

from tests.drills.checker import check
from tests.waiting import eventually

pytestmark = [pytest.mark.drill, pytest.mark.usefixtures("plant")]


def replace_key(world, customer):
    """A new write key; the old one, which the log and the stand-in know too."""
    old, customer.key = customer.key, secrets.token_hex(16)
    world.hands("change", customer.source_id, "replace_write_key", customer.key)
    customer.old_keys.append(old)
    return old


def masked(key):
    return f"…{key[-4:]}"


def keys_used(world):
    return [line["key"] for line in world.segment.requests()]


@pytest.mark.row(23)
def test_a_batch_in_flight_may_finish_with_the_old_key_and_retries_use_the_new(world):
    customer = world.customer()
    world.segment.fault("us", "status", key=customer.key, status=503, delay_ms=1_500, count=1)
    world.capture(customer)
    world.requested(customer)
    old = replace_key(world, customer)
    world.drained(customer)
    assert keys_used(world) == [masked(old), masked(customer.key)]
    assert world.outcomes(customer) == ["server_error", "accepted"]
    check(world)


@pytest.mark.row(24)
def test_a_refused_key_holds_the_source_until_there_is_a_new_one(world):
    customer, bystander = world.customer(), world.customer()
    world.segment.fault("us", "status", key=customer.key, status=401)
    world.capture(customer, 2)
    world.held(customer, "key_refused")
    world.told(customer, "key_refused")
    world.capture(customer, 3)
    world.capture(bystander)
    world.drained(bystander)
    assert world.waiting(customer) == 5
    assert world.outcomes(customer) == ["key_refused"]
    replace_key(world, customer)
    world.drained(customer)
    assert world.hold(customer) == ("", "")
    check(world, bystander)


@pytest.mark.row(24)
def test_a_401_that_comes_late_for_the_old_key_holds_nothing(world):
    customer = world.customer()
    world.segment.fault("us", "status", key=customer.key, status=401, delay_ms=1_500, count=1)
    world.capture(customer)
    world.requested(customer)
    replace_key(world, customer)
    world.drained(customer)
    assert world.outcomes(customer) == ["key_refused", "accepted"]
    assert world.hold(customer) == ("", "")
    check(world)


LEFT = """
SELECT (SELECT count(*) FROM delivery_event WHERE source_id = source) + (
    SELECT count(*) FROM delivery_pending WHERE source_id = source
) + (SELECT count(*) FROM delivery_messagekey WHERE source_id = source) FROM (SELECT %s::bigint AS source) AS asked
"""


def erased(world, customer, task):
    """Nothing is left of what was captured, soon after the worker is told what beat tells it."""
    world.hands("task", task)
    assert eventually(lambda: world.one(LEFT, customer.source_id), lambda left: left == 0) == 0


def unfinished_erasures(world):
    """Looks through everything once more, as in beat's next minute, while a transaction from before is open."""
    world.hands("task", "delivery.tasks.erase")
    return world.one("SELECT count(*) FROM tenants_erasure WHERE done_at IS NULL")


@pytest.mark.row(25)
@pytest.mark.parametrize("what", ["tenant", "source"])
def test_nothing_is_begun_after_a_deletion_though_a_request_is_in_flight(world, what):
    customer, bystander = world.customer(), world.customer()
    world.segment.fault("us", "status", key=customer.key, status=503, delay_ms=1_500)
    world.capture(customer, 2)
    world.requested(customer)
    world.capture(customer, 2)
    world.hands(f"delete_{what}", customer.tenant_id if what == "tenant" else customer.source_id)
    world.customers.remove(customer)
    world.wake(customer)
    world.capture(bystander)
    world.drained(bystander)
    answered = eventually(lambda: [line["status"] for line in world.requests(customer)], lambda seen: seen != [None])
    assert answered == [503]
    assert world.one("SELECT count(*) FROM delivery_attempt WHERE source_id = %s", customer.source_id) == 0
    erased(world, customer, "delivery.tasks.erase")
    assert eventually(lambda: unfinished_erasures(world), lambda left: left == 0) == 0
    check(world, bystander)


@pytest.mark.row(25)
def test_what_a_cascade_leaves_behind_is_erased_within_the_hour(world):
    customer, bystander = world.customer(), world.customer()
    world.segment.fault("us", "status", key=customer.key, status=503)
    world.capture(customer, 3)
    world.requested(customer)
    world.hands("cascade", customer.tenant_id)
    world.customers.remove(customer)
    world.capture(bystander)
    world.drained(bystander)
    assert world.one(LEFT, customer.source_id) > 0
    erased(world, customer, "delivery.tasks.erase_orphans")
    check(world, bystander)


@pytest.mark.row(26)
def test_nothing_goes_to_the_old_region_after_a_switch_and_unclear_events_stay(world):
    customer = world.customer("us")
    world.segment.fault("us", "reset_after", key=customer.key, delay_ms=1_500)
    world.capture(customer, 2)
    world.requested(customer)
    world.hands("change", customer.source_id, "change_region", "eu")
    switched = len(world.segment.requests())
    world.capture(customer, 3)
    world.drained(customer)
    regions = [line["region"] for line in world.segment.requests()]
    assert (regions[:switched], set(regions[switched:])) == (["us"], {"eu"})
    assert world.batches(customer) == [("accepted", 3), ("set_aside", 2)]
    assert world.reasons(customer)[0].startswith("The region was switched")
    check(world)


@pytest.mark.row(33)
def test_a_ciphertext_copied_to_another_row_is_refused_and_told_as_a_security_event(world, plant):
    thief, victim = world.customer(), world.customer()
    # A turn that has read the credentials already may use them: let those of the connections end first.
    world.capture(thief)
    world.drained(thief)
    world.at_rest(thief)
    world.rows(
        "UPDATE integrations_writekey SET ciphertext = (SELECT ciphertext FROM integrations_writekey"
        " WHERE source_id = %s) WHERE source_id = %s",
        victim.source_id,
        thief.source_id,
    )
    world.capture(thief)
    world.capture(victim)
    world.held(thief, "key_unreadable")
    world.drained(victim)
    assert len(world.requests(thief)) == 1
    assert len(world.requests(victim)) == 1
    assert eventually(lambda: "headwater.security" in plant.log.read_text())
    check(world, victim)
