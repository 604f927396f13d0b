"""What Segment answers, or does instead of answering. One worker and one beat serve the whole module."""

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.drills.checker import check
from tests.drills.proxy import proxy

pytestmark = [pytest.mark.drill, pytest.mark.usefixtures("plant")]


def received(line):
    return datetime.fromisoformat(line["received_at"])


def statuses(world, customer):
    return [line["status"] for line in world.requests(customer)]


@pytest.fixture
def bystander(world):
    """Another tenant, which captures while the others are in trouble."""
    return world.customer()


def go_on(world, *customers):
    """Simulated: the waits of these customers are over."""
    world.let_pass(4_000, *customers)
    for customer in customers:
        world.wake(customer)


@pytest.mark.row(11)
def test_no_worker_asks_before_the_seconds_that_a_429_told(world, bystander):
    """Two tenants have the same key, and a second worker looks for something to do as well."""
    first = world.customer()
    second = world.customer(key=first.key)
    world.worker()
    world.segment.fault("us", "status", key=first.key, status=429, headers={"Retry-After": "3"}, count=1)
    world.capture(first)
    world.ended(first)
    world.capture(second)
    world.capture(bystander)
    world.drained(first, second)
    told, *later = world.requests(first)
    assert [told["status"], *(line["status"] for line in later)] == [429, 200, 200]
    assert min(map(received, later)) - received(told) >= timedelta(seconds=3)
    assert world.rows("SELECT sum(tries) FROM delivery_batch WHERE source_id = %s", first.source_id) == [(0,)]
    check(world, bystander)


def date_in(minutes):
    return format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)


RETRY_AFTER = {
    "seconds": ("7", [7]),
    "date": (date_in(50), range(600, 3_000)),  # by the time that it is read
    "far date": (date_in(720), [3_600]),
    "past": ("Wed, 21 Oct 2015 07:28:00 GMT", [0]),
    "negative": ("-5", [0]),
    "absurd": ("9" * 400, [3_600]),
    "garbage": ("soon", [None]),
}


@pytest.mark.row(12)
def test_every_form_of_retry_after_is_read_or_clamped(world, bystander):
    """Simulated: after the wait is written down, it is put back."""
    customers = {form: world.customer() for form in RETRY_AFTER}
    for form, customer in customers.items():
        headers = {"Retry-After": RETRY_AFTER[form][0]}
        world.segment.fault("us", "status", key=customer.key, status=429, headers=headers, count=1)
        world.capture(customer)
    world.capture(bystander)
    query = "SELECT retry_after FROM delivery_attempt WHERE source_id = %s AND finished_at IS NOT NULL ORDER BY id"
    for form, customer in customers.items():
        world.ended(customer)
        assert world.rows(query, customer.source_id)[0][0] in RETRY_AFTER[form][1], form
    go_on(world, *customers.values())
    world.drained(*customers.values())
    assert {tuple(world.outcomes(one)) for one in customers.values()} == {("rate_limited", "accepted")}
    check(world, bystander)


@pytest.mark.row(13)
def test_an_hour_of_5xx_costs_little_and_ends_without_a_spike(world, bystander):
    """Simulated: each wait of the lane is put back as soon as it is written down, until they come to an hour.

    Meanwhile events are captured. Normal traffic would be a request a second.
    """
    customer = world.customer()
    world.segment.fault("us", "status", key=customer.key, status=503)
    world.capture(customer)
    waited = "SELECT extract(epoch FROM not_before - clock_timestamp()) FROM delivery_lane WHERE source_id = %s"
    passed, asked = 0.0, 0
    while passed < 3_600:
        assert asked < 360, f"So many requests in {passed:.0f} s."
        asked += 1
        world.requested(customer, asked)
        world.ended(customer, asked)
        asked = len(world.requests(customer))
        wait = max(0.0, float(world.one(waited, customer.source_id) or 0))
        passed += wait
        world.capture(customer, 20)
        world.let_pass(math.ceil(wait), customer)
        world.wake(customer)
    world.capture(bystander)
    world.segment.clear_faults()
    go_on(world, customer)
    world.drained(customer)
    (seen,) = [key for key in world.segment.stats()["keys"] if key["key"] == f"…{customer.key[-4:]}"]
    assert seen["most_in_a_second"] <= 50
    check(world, bystander)


@pytest.mark.row(14)
@pytest.mark.slow_drill
def test_an_answer_of_a_byte_a_second_ends_and_the_others_go_on(world, bystander):
    """Nothing is simulated: the deadline of 25 seconds is waited for."""
    customers = [world.customer() for _ in range(3)]
    for customer in customers:
        world.segment.fault("us", "slow", key=customer.key, every_ms=1_000, count=1)
        world.capture(customer)
    for customer in customers:
        world.requested(customer)
    world.capture(bystander)
    world.drained(bystander, seconds=10)
    for customer in customers:
        world.ended(customer)
    world.drained(*customers)
    assert {tuple(world.attempts(one)) for one in customers} == {(("timeout", True), ("accepted", False))}
    check(world, bystander)


@pytest.mark.row(15)
def test_a_broken_connection_is_recorded_as_unclear_and_the_events_are_sent_again(world, bystander):
    customers = {kind: world.customer() for kind in ("reset_before", "reset_middle", "reset_after")}
    for kind, customer in customers.items():
        world.segment.fault("us", kind, key=customer.key, count=1)
        world.capture(customer, 300, filler="x" * 900)
    world.capture(bystander)
    world.drained(*customers.values())
    for customer in customers.values():
        assert world.attempts(customer) == [("broken", True), ("accepted", False)]
    states = {
        kind: {entry["state"] for entry in world.segment.entries("us", customers[kind].key)} for kind in customers
    }
    assert states["reset_before"] == states["reset_middle"] == {"accepted"}
    assert states["reset_after"] == {"accepted", "duplicate"}
    check(world, bystander)


@pytest.mark.row(16)
def test_a_200_without_success_is_not_taken_for_acceptance(world, bystander):
    customers = {kind: world.customer() for kind in ("unsuccessful", "html", "empty")}
    for kind, customer in customers.items():
        world.segment.fault("us", kind, key=customer.key, count=1)
        world.capture(customer)
    world.capture(bystander)
    world.drained(*customers.values())
    for customer in customers.values():
        assert statuses(world, customer) == [200, 200]
        assert world.attempts(customer) == [("not_confirmed", True), ("accepted", False)]
    check(world, bystander)


@pytest.mark.row(17)
def test_a_redirect_is_a_failure_and_the_key_is_not_forwarded(world, bystander):
    customers = {status: world.customer() for status in (301, 302, 307)}
    with proxy(world.segment.us_url) as trap:
        for status, customer in customers.items():
            world.segment.fault(
                "us", "redirect", key=customer.key, status=status, location=f"{trap.url}/batch", count=1
            )
            world.capture(customer)
        world.capture(bystander)
        world.drained(*customers.values())
        assert trap.connections == 0
    for customer in customers.values():
        assert world.attempts(customer) == [("redirected", False), ("accepted", False)]
    check(world, bystander)


@pytest.mark.row(27)
def test_a_poison_event_among_2500_is_quarantined_alone(world, bystander):
    customer = world.customer()
    world.capture(customer)
    world.drained(customer)
    world.segment.fault("us", "status", key=customer.key, containing="Poison Taken", status=400)
    calls = [{"type": "track", "event": f"E {number}", "userId": "u"} for number in range(2_499)]
    calls.insert(1_234, {"type": "track", "event": "Poison Taken", "userId": "u"})
    event_ids, refused = world.hands("capture_calls", customer.tenant_id, calls)
    assert (len(event_ids), refused) == (2_500, [])
    world.capture(bystander)
    world.drained(customer)
    ended = [(state, count) for state, count in world.batches(customer) if state != "split"]
    assert ("quarantined", 1) in ended
    assert sum(count for state, count in ended if state == "accepted") == 2_500
    assert world.reasons(customer)[0].startswith("Segment answered 400")
    check(world, bystander)


@pytest.mark.row(28)
def test_what_cannot_be_sent_is_refused_with_its_reason_and_its_neighbours_are_not(world, bystander):
    customer = world.customer()
    fine = {"type": "track", "event": "Step Done", "userId": "u-1"}
    strange = [{"text": "x" * 33_000}, {"text": "lone \ud800"}, {"number": math.nan}]
    event_ids, refused = world.hands(
        "capture_calls", customer.tenant_id, [fine, *({**fine, "properties": each} for each in strange), fine]
    )
    assert (len(event_ids), refused) == (2, ["too_large", "not_json", "not_json"])
    world.capture(customer, 2_501)
    world.capture(customer, 20, filler="x" * 25_050)
    world.capture(bystander)
    world.drained(customer)
    assert {state for state, _ in world.batches(customer)} == {"accepted"}
    assert set(statuses(world, customer)) == {200}
    assert all(line["bytes"] <= 500_000 and line["events"] <= 2_500 for line in world.requests(customer))
    recorded = "SELECT reason, findings <> '[]' FROM delivery_refusal WHERE source_id = %s ORDER BY id"
    assert world.rows(recorded, customer.source_id) == [("too_large", True), ("not_json", True), ("not_json", True)]
    check(world, bystander)


@pytest.mark.row(35)
def test_after_a_day_of_silence_unclear_events_are_set_aside_and_a_replay_warns(world, bystander):
    """Simulated: the times in the database and the stand-in's clock are moved by 25 hours."""
    unclear, never_arrived = world.customer(), world.customer()
    world.segment.fault("us", "reset_after", key=unclear.key, count=1)
    world.segment.fault("us", "status", key=never_arrived.key, status=404, count=1)
    for customer in (unclear, never_arrived):
        world.rows("UPDATE delivery_lane SET failures = 12 WHERE source_id = %s", customer.source_id)
        world.capture(customer)
        world.ended(customer)
    world.segment.advance(25 * 3_600)
    world.let_pass(25 * 3_600, unclear, never_arrived)
    world.capture(unclear)
    world.wake(unclear)
    world.wake(never_arrived)
    world.capture(bystander)
    world.drained(unclear, never_arrived)
    assert world.batches(unclear) == [("accepted", 1), ("set_aside", 1)]
    assert world.reasons(unclear)[0].startswith("For 20 hours it could not be known")
    assert world.outcomes(never_arrived) == ["rejected", "accepted"]
    asked = world.manage("replay", "--source", str(unclear.source_id), "--answer", "broken", "--dry-run", "--json")
    assert json.loads(asked)["may_arrive_twice"] == 1
    check(world, bystander)


@pytest.mark.row(39)
def test_a_malformed_key_holds_the_source_and_quarantines_nothing(world, bystander):
    customer = world.customer()
    world.segment.fault("us", "status", key=customer.key, status=400)
    world.capture(customer, 5)
    world.held(customer, "key_malformed")
    world.told(customer, "key_refused")
    world.capture(customer, 5)
    world.capture(bystander)
    world.drained(bystander)
    assert {state for state, _ in world.batches(customer)} <= {"open", "split"}
    assert world.waiting(customer) == 10
    assert "Paste the write key again" in world.hold(customer)[1]
    world.segment.clear_faults()
    world.hands("change", customer.source_id, "replace_write_key", customer.key)
    world.drained(customer)
    assert {state for state, _ in world.batches(customer)} <= {"accepted", "split"}
    check(world, bystander)
