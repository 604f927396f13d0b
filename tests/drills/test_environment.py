"""Workers that find something else around them: no name server, bad certificates, another clock, another key ring."""

import base64
import re
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from tests.drills.certificates import Authority
from tests.drills.checker import check
from tests.drills.proxy import proxy
from tests.waiting import eventually

pytestmark = pytest.mark.drill

SHIFTED_CLOCK = """
import datetime as module, time
real_time, real = time.time, module.datetime
time.time = lambda: real_time() + 3600
class Kind(type):
    def __instancecheck__(cls, value): return isinstance(value, real)
class Shifted(real, metaclass=Kind):
    @classmethod
    def now(cls, tz=None): return real.fromtimestamp(time.time(), tz)
    @classmethod
    def utcnow(cls): return real.fromtimestamp(time.time(), module.UTC).replace(tzinfo=None)
module.datetime = Shifted
"""


@pytest.mark.row(18)
def test_a_name_that_is_not_found_costs_a_backoff_and_no_doubt(world):
    """The name is one that no name server may know (RFC 2606)."""
    customer, bystander = world.customer(), world.customer("eu")
    lost = world.worker(SEGMENT_US_URL="https://segment.invalid/v1")
    world.capture(customer, 2)
    world.capture(bystander)
    world.drained(bystander)
    never_left = [("not_sent", False)]
    assert eventually(lambda: world.attempts(customer)[:1], lambda ends: ends == never_left) == never_left
    assert world.rows("SELECT tries, state FROM delivery_batch WHERE source_id = %s", customer.source_id) == [
        (1, "open")
    ]
    lost.kill()
    world.worker()
    world.let_pass(60, customer)
    world.wake(customer)
    world.drained(customer)
    *failed, last = world.attempts(customer)
    assert (set(failed), last) == ({("not_sent", False)}, ("accepted", False))
    assert world.one("SELECT tries FROM delivery_batch WHERE source_id = %s", customer.source_id) == len(failed)
    check(world, bystander)


@pytest.mark.row(19)
def test_a_bad_certificate_stops_the_request_before_the_key_is_told(world, tmp_path):
    """A real TLS server in front of the stand-in: expired in the US, for another host in the EU, then good in both."""
    authority = Authority(tmp_path)
    expired, elsewhere, good = (
        authority.server("127.0.0.1", expired=True), authority.server("segment.test"), authority.server("127.0.0.1"),
    )  # fmt: skip
    customers = world.customer("us"), world.customer("eu")
    with proxy(world.segment.us_url, expired) as us, proxy(world.segment.eu_url, elsewhere) as eu:
        distrusting = world.worker(SEGMENT_US_URL=us.url, SEGMENT_EU_URL=eu.url, SSL_CERT_FILE=str(authority.file))
        for customer in customers:
            world.capture(customer, 2)
            world.ended(customer)
            assert set(world.attempts(customer)) == {("not_sent", False)}
        assert (us.heard, eu.heard, world.segment.requests()) == (b"", b"", [])
        distrusting.kill()
    with proxy(world.segment.us_url, good) as us, proxy(world.segment.eu_url, good) as eu:
        world.worker(SEGMENT_US_URL=us.url, SEGMENT_EU_URL=eu.url, SSL_CERT_FILE=str(authority.file))
        world.let_pass(60, *customers)
        for customer in customers:
            world.wake(customer)
        world.drained(*customers)
    check(world)


@pytest.mark.row(20)
@pytest.mark.slow_drill
def test_a_worker_whose_clock_is_an_hour_ahead_keeps_leases_and_rate(world, tmp_path):
    """Simulated: Python's time and datetime in the worker are shifted, as a machine's wrong clock would shift them.

    A worker with the right time works on the same lanes.
    """
    (tmp_path / "sitecustomize.py").write_text(SHIFTED_CLOCK)
    customers = world.crowd(90)
    slow = world.customer()
    world.segment.fault("us", "delay", key=slow.key, delay_ms=1_000)
    ahead = world.worker(PYTHONPATH=str(tmp_path))
    ahead.ready()
    world.capture(slow)
    world.requested(slow)
    lease = "SELECT leased_until - clock_timestamp() FROM delivery_lane WHERE source_id = %s"
    assert timedelta() < world.one(lease, slow.source_id) < timedelta(seconds=46)
    assert eventually(lambda: tells_time_in_an_hour(ahead.log)), "Its clock is not ahead."
    world.worker()
    world.beat()
    world.drained(slow, *customers)
    assert max(key["most_in_a_second"] for key in world.segment.stats()["keys"]) <= 50
    assert max(shift(entry) for entry in world.segment.entries("us", customers[0].key)) < 60
    check(world, *customers)


@pytest.mark.row(20)
@pytest.mark.slow_drill
def test_the_clock_of_the_database_two_hours_back_puts_nothing_to_sleep(world):
    """Simulated: what was written lies two hours ahead, as it does when the clock goes back.

    One lane was left by a worker that died, one waits after a failure, and one was told by Segment to wait.
    """
    left, failed, told = customers = world.customer(), world.customer(), world.customer("eu")
    world.segment.fault("us", "delay", key=left.key, delay_ms=30_000, count=1)
    world.segment.fault("us", "status", key=failed.key, status=503, count=1)
    world.segment.fault("eu", "status", key=told.key, status=429, headers={"Retry-After": "20"}, count=1)
    for customer in customers:
        world.capture(customer, 2)
    dying = world.worker()
    world.ended(failed)
    world.ended(told)
    world.requested(left)
    dying.kill()
    world.let_pass(-7_200, *customers)
    beat = world.beat()
    world.worker()
    world.drained(*customers, seconds=240)
    assert "clock has gone back" in "".join(log.read_text() for log in world.logs.glob("worker-*.log"))
    assert beat.process.poll() is None
    # The checker puts requests in the order of their times.
    world.rows(THE_RIGHT_TIME)
    check(world)


THE_RIGHT_TIME = """
UPDATE delivery_attempt SET started_at = started_at - interval '2 hours', finished_at = finished_at - interval '2 hours'
WHERE started_at > clock_timestamp()
"""


def tells_time_in_an_hour(log):
    """Whether a line of the log has a time that has yet to come."""
    now = datetime.now(UTC)
    times = re.findall(r'"time": "([^"]+)"', log.read_text())
    return any(timedelta(minutes=50) < datetime.fromisoformat(time) - now for time in times)


def shift(entry):
    """Seconds by which Segment moved the call's timestamp, for what sentAt said of the sender's clock."""
    corrected, said = (datetime.fromisoformat(text) for text in (entry["timestamp"], entry["call"]["timestamp"]))
    return abs((corrected - said).total_seconds())


@pytest.mark.row(32)
def test_a_lost_encryption_key_holds_the_source_until_the_write_key_is_pasted_again(world):
    """A worker and a web process get a key ring that has another key under the same name, and no old one."""
    lost = {"ENCRYPTION_KEYS": "test:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}
    customer = world.customer()
    world.worker(**lost)
    hands = world.new_hands(**lost)
    world.capture(customer, 2, hands=hands)
    world.held(customer, "key_unreadable")
    world.told(customer, "held")
    world.capture(customer, 3, hands=hands)
    assert (world.waiting(customer), world.outcomes(customer)) == (5, [])
    assert "can no longer be read" in world.hold(customer)[1]
    hands("change", customer.source_id, "replace_write_key", customer.key)
    world.drained(customer)
    assert world.outcomes(customer) == ["accepted"]
    check(world)
