import time
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction

from delivery import lanes, limiter
from delivery.batching import cut, new_batch
from delivery.bodies import body_bytes
from delivery.choosing import next_parcel
from delivery.clock import database_now, estimated_now
from delivery.enums import Hold, Outcome
from delivery.models import Attempt, Batch, Event, Lane, RateHold, Replay
from delivery.outbox import capture
from delivery.senders import senders
from delivery.sending import begin, recorded, start
from integrations.enums import Region
from integrations.queries import sending_credentials
from integrations.secrets import Secret
from integrations.services import change_region, disconnect_source, pause_source, replace_write_key
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY
from tests.delivery.steps import Gate, in_thread, sure

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]

CHANGES = {
    "pause": pause_source,
    "disconnect": disconnect_source,
    "region": lambda source: change_region(source, Region.EU),
    "key": lambda source: replace_write_key(source, Secret(OTHER_WRITE_KEY)),
}


@pytest.fixture
def ready(source, call):
    """What a turn has in hand before it begins an attempt."""
    capture(source.tenant_id, call)
    lease = sure(lanes.lease(source.pk))
    return lease, cut(lease), sending_credentials(source.pk)


def test_begin_writes_the_attempt_before_anything_is_sent(source, ready):
    lease, parcel, credentials = ready
    Lane.objects.update(leased_until=database_now().replace(microsecond=0) + timedelta(seconds=5))
    sent = sure(begin(lease, parcel, credentials))
    attempt = Attempt.objects.get(pk=sent.attempt_id)
    assert (attempt.outcome, attempt.ambiguous, attempt.finished_at) == (Outcome.UNKNOWN, True, None)
    assert (attempt.number, attempt.region, attempt.source_version) == (1, "us", source.version)
    assert attempt.lease_token == lease.token
    assert Batch.objects.get().attempts_made == parcel.batch.attempts_made == 1
    assert sure(Lane.objects.get().leased_until) > database_now() + timedelta(seconds=30)


def test_batch_waits_since_its_first_event_was_captured(source, call):
    for hours in (5, 3):
        (event_id,) = capture(source.tenant_id, call).event_ids
        Event.objects.filter(pk=event_id).update(captured_at=database_now() - timedelta(hours=hours))
    lease = sure(lanes.lease(source.pk))
    parcel = sure(cut(lease))
    for _ in range(2):
        assert begin(lease, parcel, sure(sending_credentials(source.pk)))
        assert Batch.objects.get().waiting_since == Event.objects.earliest("pk").captured_at
        parcel.batch.waiting_since = database_now()


def test_batch_that_was_cut_and_not_begun_waits_since_its_first_event_was_captured(source, call):
    capture(source.tenant_id, call)
    Event.objects.update(captured_at=database_now() - timedelta(hours=5))
    lease = sure(lanes.lease(source.pk))
    cut(lease)
    lanes.release(lease)
    lease = sure(lanes.lease(source.pk))
    assert begin(lease, sure(next_parcel(lease, Region.US)), sure(sending_credentials(source.pk)))
    assert Batch.objects.get().waiting_since == Event.objects.get().captured_at


@pytest.mark.parametrize("made_by", ["replay", "parent"])
def test_batch_that_was_not_cut_waits_since_it_says(source, call, made_by):
    """A replay's waits since that was asked for, and the half of a batch since the batch does."""
    event_ids = capture(source.tenant_id, call).event_ids
    lease = sure(lanes.lease(source.pk))
    origin = sure(cut(lease)).batch
    asked = Replay.objects.create(
        tenant=source.tenant, source=source, token="t", requested_by="owner", criteria={}, event_count=1, batch_count=1,
        accepted_before=1, may_arrive_twice=0, created_at=database_now(),
    )  # fmt: skip
    since = database_now()
    made = new_batch(
        source.pk, source.tenant_id, event_ids, origin.bytes, waiting_since=since,
        **{made_by: {"replay": asked, "parent": origin}[made_by]},
    )  # fmt: skip
    assert begin(lease, sure(next_parcel(lease, Region.US, [origin.pk])), sure(sending_credentials(source.pk)))
    assert Batch.objects.get(pk=made.pk).waiting_since == since


def test_batch_whose_first_event_is_gone_waits_since_it_was_made(source, call):
    capture(source.tenant_id, call)
    Event.objects.all().delete()
    lease = sure(lanes.lease(source.pk))
    parcel = sure(cut(lease))
    assert begin(lease, parcel, sure(sending_credentials(source.pk)))
    assert Batch.objects.get().waiting_since >= parcel.batch.created_at


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_begin_after_a_change_of_the_source_begins_nothing(source, ready, change):
    change(source)
    assert begin(*ready) is None
    assert Attempt.objects.count() == 0
    assert Batch.objects.get().attempts_made == 0


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_begin_waits_for_a_change_that_is_being_committed(source, ready, change):
    """The change has the source's row and has not committed: whoever begins now must see it as done."""
    changed = Gate()

    def change_slowly():
        with transaction.atomic():
            change(source)
            changed.wait()

    changing = in_thread(change_slowly)
    changed.reached()
    beginning = in_thread(lambda: begin(*ready))
    _wait_until_blocked()
    changed.open()
    changing.result(20)
    assert beginning.result(20) is None
    assert Attempt.objects.count() == 0


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_waits_for_an_attempt_that_is_being_begun(source, ready, change):
    """The other order: the attempt was there first, and is committed before the change is."""
    begun = Gate()

    def begin_slowly():
        with transaction.atomic():
            sent = begin(*ready)
            begun.wait()
            return sent

    beginning = in_thread(begin_slowly)
    begun.reached()
    changing = in_thread(lambda: change(source))
    _wait_until_blocked()
    begun.open()
    assert beginning.result(20) is not None
    changing.result(20)
    assert Attempt.objects.count() == 1


def _wait_until_blocked():
    """Until one of the other connections waits for a lock."""
    with connection.cursor() as cursor:
        for _ in range(2_000):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.005)")
    raise AssertionError("Nobody waits for a lock.")


def test_begin_without_the_lease_begins_nothing(ready):
    Lane.objects.update(leased_until="2026-01-01T00:00Z")
    assert begin(*ready) is None
    assert Attempt.objects.count() == 0


def test_begin_with_a_lease_that_is_anothers_begins_nothing(source, ready):
    Lane.objects.update(leased_until="2026-01-01T00:00Z")
    lanes.lease(source.pk)
    assert begin(*ready) is None


@pytest.mark.parametrize(
    "columns", [{"hold": Hold.KEY_REFUSED, "held_at": "2026-01-31T09:30Z"}, {"not_before": "2999-01-01T00:00Z"}]
)
def test_begin_on_a_lane_held_or_waiting_begins_nothing(ready, columns):
    Lane.objects.update(**columns)
    assert begin(*ready) is None
    assert Attempt.objects.count() == 0


def test_begin_twice_on_one_number_begins_once(ready):
    lease, parcel, credentials = ready
    assert begin(lease, parcel, credentials) is not None
    parcel.batch.attempts_made = 0
    assert begin(lease, parcel, credentials) is None
    assert Attempt.objects.count() == 1


def test_begin_of_a_batch_whose_number_was_given_out_anew_begins_nothing(source, ready):
    """As after a crash of the database that forgot the cut: what has the number now is other events of the lane."""
    lease, parcel, credentials = ready
    Batch.objects.get().delete()
    new_batch(source.pk, source.tenant_id, [parcel.batch.event_ids[0] + 1], parcel.batch.bytes, pk=parcel.batch.pk)
    assert begin(lease, parcel, credentials) is None
    assert Attempt.objects.count() == 0


def test_begin_with_a_key_that_segment_told_to_wait_sleeps_as_long(ready):
    _lease, _parcel, credentials = ready
    until = database_now() + timedelta(seconds=90)
    RateHold.objects.create(key_id=credentials.rate_key, until=until)
    assert begin(*ready) is None
    assert Attempt.objects.count() == 0
    assert Lane.objects.get().not_before == until


def test_begin_ignores_a_pause_that_is_over_and_those_of_other_keys(ready):
    _lease, _parcel, credentials = ready
    RateHold.objects.create(key_id=credentials.rate_key, until="2026-01-01T00:00Z")
    RateHold.objects.create(key_id="another", until="2999-01-01T00:00Z")
    assert begin(*ready) is not None


def test_start_sends_what_was_cut_from_a_reserved_thread(ready, segment):
    lease, parcel, credentials = ready
    sent = sure(begin(lease, parcel, credentials))
    assert senders(credentials.region).reserve()
    assert start(sent, parcel.payloads, limiter.permit("a key")).result(20).outcome == Outcome.ACCEPTED
    (event,) = segment.events("us", WRITE_KEY)
    (request,) = segment.requests()
    assert request["bytes"] == body_bytes(parcel.batch.bytes, 1)
    assert event["messageId"] == str(Event.objects.get().message_id)


def test_sent_at_is_of_the_permit_that_the_request_left_with(source, ready, segment, monkeypatch):
    """Its own came too late, and the next one of the key is half a second away."""
    lease, parcel, credentials = ready
    sent = sure(begin(lease, parcel, credentials))
    monkeypatch.setattr(limiter, "INTERVAL", 500_000)
    asked_at = estimated_now()
    assert limiter.permit("a key").is_given
    then = time.monotonic() - 5
    assert senders(credentials.region).reserve()
    answer = start(sent, parcel.payloads, limiter.Permit("a key", 0.0, then, then)).result(20)
    assert answer.outcome == Outcome.ACCEPTED
    assert sent_at(*segment.entries("us", WRITE_KEY)) - asked_at > timedelta(milliseconds=450)


def sent_at(entry):
    """The stand-in corrects the time of a call by it."""
    called, corrected = datetime.fromisoformat(entry["call"]["timestamp"]), datetime.fromisoformat(entry["timestamp"])
    return datetime.fromisoformat(entry["received_at"]) - (corrected - called)


def test_recorded_tries_again_when_the_connection_is_lost(source):
    tries = []

    def record():
        tries.append(1)
        with connection.cursor() as cursor:
            if len(tries) == 1:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            cursor.execute("SELECT 1")
        return "recorded"

    assert (recorded(record), len(tries)) == ("recorded", 2)
