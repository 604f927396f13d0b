"""Several requests of a lane at once, several lanes in one turn, and requests that hang."""

import threading
import time
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from delivery import recording, runs, turn
from delivery.enums import BatchState, Outcome
from delivery.models import Attempt, Batch, Lane, Pending
from delivery.outbox import capture, capture_many
from delivery.retry import CRASHED
from delivery.senders import THREADS, senders
from delivery.turn import take_turn
from integrations.enums import Region
from integrations.spec.calls import track
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY, make_source
from tests.delivery.raw_server import raw_server
from tests.delivery.steps import sure
from tests.delivery.test_turn import make_due, outcomes
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"success":true}'
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def large(count):
    """Calls of 30 KB, sixteen to a request."""
    return [track(event="Email Opened", user_id="u-1", properties={"email_id": "e" * 30_000}) for _ in range(count)]


@contextmanager
def answering_together(count, answer):
    """A server that answers nobody until `count` requests have come."""
    all_there = threading.Barrier(count)

    def serve(client):
        received = b""
        while not received.endswith(b'Z"}'):
            received += client.recv(65_536)
        all_there.wait(20)
        client.sendall(answer)

    with raw_server(serve) as url:
        yield url


@pytest.fixture
def proven(source):
    Lane.objects.update(accepted_version=source.version)
    return source


def test_turn_has_eight_requests_of_a_deep_lane_in_flight(proven, settings):
    capture_many(proven.tenant_id, large(8 * 16))
    with answering_together(8, OK) as url:
        settings.SEGMENT_URLS = {"us": url, "eu": url}
        take_turn([proven.pk])
    assert outcomes() == [Outcome.ACCEPTED] * 8
    assert Lane.objects.get().lease_token is None


def test_turn_counts_what_fails_together_as_one_failure_and_probes_with_one(proven, settings, segment):
    capture_many(proven.tenant_id, large(20 * 16))
    with answering_together(8, UNAVAILABLE) as url:
        settings.SEGMENT_URLS = {"us": url, "eu": url}
        take_turn([proven.pk])
    assert outcomes() == [Outcome.SERVER_ERROR] * 8
    assert Lane.objects.get().failures == 1
    assert Batch.objects.filter(state=BatchState.OPEN, tries=1).count() == 8
    make_due()
    settings.SEGMENT_URLS = {"us": segment.us_url, "eu": segment.eu_url}
    segment.fault("us", "status", status=503)
    take_turn([proven.pk])
    assert len(segment.requests()) == 1
    assert Lane.objects.get().failures == 2


def test_turn_sends_a_lane_that_never_had_an_answer_one_request_first(source, segment):
    segment.fault("us", "status", status=500)
    capture_many(source.tenant_id, large(40))
    take_turn([source.pk])
    assert len(segment.requests()) == 1


def test_turn_does_not_wait_for_a_request_that_hangs(source, other_source, segment, call, monkeypatch):
    """Its thread records the answer later, and gives the lane back."""
    monkeypatch.setattr(turn, "LINGER_SECONDS", 0.2)
    segment.fault("us", "delay", key=WRITE_KEY, delay_ms=1_500, count=1)
    capture(source.tenant_id, call)
    capture(other_source.tenant_id, call)
    take_turn([source.pk, other_source.pk])
    assert {row.source_id: row.outcome for row in Attempt.objects.all()} == {
        source.pk: Outcome.UNKNOWN, other_source.pk: Outcome.ACCEPTED,
    }  # fmt: skip
    assert Lane.objects.get(pk=other_source.pk).lease_token is None
    take_turn([source.pk])  # the lease is still its own
    eventually(lambda: Lane.objects.get(pk=source.pk).lease_token is None)
    assert outcomes() == [Outcome.ACCEPTED] * 2
    assert len(segment.requests()) == 2


def test_turn_that_finds_every_thread_at_work_leaves_the_lane_for_later(source, segment, call):
    capture(source.tenant_id, call)
    reserved = [senders(Region.US).reserve() for _ in range(THREADS)]
    try:
        take_turn([source.pk])
    finally:
        for _ in filter(None, reserved):
            senders(Region.US).give_back()
    assert Attempt.objects.count() == 0
    lane = Lane.objects.get()
    assert (lane.lease_token, bool(lane.not_before)) == (None, True)


def test_turn_over_small_lanes_asks_the_database_no_more_for_three_than_for_one(source, tenant, segment, call):
    def statements(source_ids):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            take_turn(source_ids)
        # Answers that come one after another are recorded so: that part depends on their order.
        return [query["sql"] for query in asked if "INSERT" in query["sql"]]

    others = [make_source(tenant, f"{OTHER_WRITE_KEY[:-1]}{number}", name=f"Source {number}") for number in range(3)]
    for each in (source, *others):
        capture(tenant.pk, call, sources=[each])
    one, three = statements([source.pk]), statements([each.pk for each in others])
    assert (len(one), len(three)) == (2, 1)
    assert Batch.objects.filter(state=BatchState.ACCEPTED).count() == 4
    assert Pending.objects.count() == 0


def test_turn_of_two_sources_with_one_key_begins_each(source, tenant, segment, call):
    twin = make_source(tenant, WRITE_KEY, name="Twin")
    capture(tenant.pk, call)
    take_turn([source.pk, twin.pk])
    assert outcomes() == [Outcome.ACCEPTED] * 2


@pytest.fixture
def dying(monkeypatch):
    """Turns whose worker dies before it can record anything."""

    def die(*_args, **_kwargs):
        raise SystemExit

    def turn_that_dies(source_id):
        with monkeypatch.context() as patch:
            patch.setattr(recording, "accept", die)
            with pytest.raises(SystemExit):
                take_turn([source_id])
        monkeypatch.setattr(runs, "_alone", threading.Lock())  # a process that is gone holds no lock
        Lane.objects.update(leased_until="2026-01-01T00:00Z")

    return turn_that_dies


def test_batch_that_kills_its_worker_is_set_aside_after_three_deaths_alone(source, segment, call, dying):
    capture(source.tenant_id, call)
    dying(source.pk)
    assert Batch.objects.get().crashes == 0  # it was not alone: whose fault it was is not known
    for crashes in (1, 2, 3):
        dying(source.pk)
        assert Batch.objects.get().crashes == crashes
    take_turn([source.pk])
    batch = Batch.objects.get()
    assert (batch.state, batch.reason) == (BatchState.SET_ASIDE, CRASHED)
    assert len(segment.requests()) == 4


def test_batch_whose_answer_is_recorded_is_suspected_no_more(source, segment, call, dying):
    capture(source.tenant_id, call)
    dying(source.pk)
    dying(source.pk)
    segment.fault("us", "status", status=503, count=1)
    take_turn([source.pk])
    assert Batch.objects.get().crashes == 0
    make_due()
    take_turn([source.pk])
    assert Batch.objects.get().state == BatchState.ACCEPTED


def test_suspected_batch_is_sent_alone(proven, segment, dying):
    capture_many(proven.tenant_id, large(16))
    dying(proven.pk)
    capture_many(proven.tenant_id, large(32))
    take_turn([proven.pk])
    _died, again, *others = Attempt.objects.order_by("pk")
    assert (again.number, len(others)) == (2, 2)
    assert all(sure(again.finished_at) < other.started_at for other in others)
    assert outcomes() == [Outcome.UNKNOWN, *[Outcome.ACCEPTED] * 3]


def test_suspected_batches_of_two_lanes_are_sent_one_after_the_other(source, tenant, segment, call, dying):
    other = make_source(tenant, OTHER_WRITE_KEY, name="B")
    for each in (source, other):
        capture(tenant.pk, call, sources=[each])
        dying(each.pk)
    take_turn([source.pk, other.pk])
    assert list(Batch.objects.order_by("pk").values_list("state", flat=True)) == [BatchState.ACCEPTED, BatchState.OPEN]
    make_due()
    take_turn([other.pk])
    assert Batch.objects.get(source=other).state == BatchState.ACCEPTED


@contextmanager
def database_lost_after(attempts, before):
    """Every statement fails that comes after so many attempts were begun. `before` is called before the first."""
    begun: list[str] = []

    def execute_until_lost(execute, sql, *arguments):
        if len(begun) == attempts:
            before()
            raise OperationalError("The database is gone.")
        if "INSERT INTO" in sql and "delivery_attempt" in sql:
            begun.append(sql)
        return execute(sql, *arguments)

    with connection.execute_wrapper(execute_until_lost):
        yield


def test_suspected_batch_is_sent_after_its_turn_lost_the_database(source, tenant, segment, call, dying):
    """It lands together with another lane's, neither can be recorded, and the other cannot even be given back."""
    suspected, twin = make_source(tenant, OTHER_WRITE_KEY, name="B"), make_source(tenant, WRITE_KEY, name="C")
    capture(tenant.pk, call, sources=[suspected])
    dying(suspected.pk)
    capture(tenant.pk, call, sources=[source, twin])
    segment.fault("us", "status", key=OTHER_WRITE_KEY, status=503, count=1)

    def both_have_landed():
        assert eventually(lambda: sorted(line["status"] or 0 for line in segment.requests()) == [200, 200, 503])
        time.sleep(0.1)

    with database_lost_after(2, both_have_landed):
        take_turn([source.pk, suspected.pk, twin.pk])
    Lane.objects.update(leased_until="2026-01-01T00:00Z")
    take_turn([suspected.pk])
    assert Batch.objects.get(source=suspected).state == BatchState.ACCEPTED
