import logging
import time

import pytest
from django.db import connection

from delivery import client, lanes, limiter, recording, runs, turn
from delivery.choosing import next_parcel
from delivery.enums import BatchState, Hold, Outcome
from delivery.models import Attempt, Batch, Event, Lane, Pending, RateHold
from delivery.outbox import capture, capture_many
from delivery.replay import replay
from delivery.replayable import Criteria
from delivery.turn import take_turn
from integrations.enums import Region
from integrations.models import WriteKey
from integrations.secrets import Secret
from integrations.services import change_region, pause_source, replace_write_key
from integrations.spec.calls import track
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY, make_source
from tests.delivery.hinting import forget_hints, hints
from tests.delivery.steps import Gate, in_thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]

REVOKED = {"status": 401, "body": '{"success": false}'}


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.5)


def make_due():
    """As if all waits were over."""
    Lane.objects.update(not_before=None)
    Batch.objects.update(not_before=None)
    RateHold.objects.all().delete()


def outcomes():
    return list(Attempt.objects.order_by("pk").values_list("outcome", flat=True))


def states():
    return sorted(Batch.objects.values_list("state", "event_count"))


def steps(count):
    """Calls that can be told apart by their name."""
    return [track(event=f"Step {number} Done", user_id="u-1") for number in range(count)]


def names(calls):
    return sorted(call["event"] for call in calls)


def test_turn_sends_what_was_captured(source, segment, call):
    event_ids = capture(source.tenant_id, call).event_ids
    take_turn([source.pk])
    (arrived,) = segment.events("us", WRITE_KEY)
    assert (arrived["event"], arrived["userId"]) == ("Email Opened", "u-1")
    assert arrived["messageId"] == str(Event.objects.get().message_id)
    batch = Batch.objects.get()
    assert (batch.state, batch.event_ids, batch.event_count) == (BatchState.ACCEPTED, event_ids, 1)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.status_code, attempt.ambiguous) == (Outcome.ACCEPTED, 200, False)
    assert Pending.objects.count() == 0
    lane = Lane.objects.get()
    assert (lane.lease_token, lane.accepted_version) == (None, source.version)


def test_turn_sends_to_the_sources_region_alone(tenant, segment, call):
    european = make_source(tenant, WRITE_KEY, Region.EU)
    capture(tenant.pk, call)
    take_turn([european.pk])
    assert (len(segment.events("us", WRITE_KEY)), len(segment.events("eu", WRITE_KEY))) == (0, 1)


def test_turn_empties_a_lane_in_full_batches(source, segment):
    capture_many(source.tenant_id, steps(3_000))
    take_turn([source.pk])
    assert names(segment.events("us", WRITE_KEY)) == names(steps(3_000))
    assert sum(count for _state, count in states()) == 3_000
    assert all(request["bytes"] <= 500_000 for request in segment.requests())


def test_turn_works_on_all_its_lanes(source, tenant, other_source, segment, call):
    second = make_source(tenant, OTHER_WRITE_KEY, name="Second")
    capture(tenant.pk, call)
    capture(other_source.tenant_id, call)
    take_turn([source.pk, second.pk, other_source.pk])
    assert len(segment.events("us", WRITE_KEY)) == 1
    assert len(segment.events("us", OTHER_WRITE_KEY)) == 2


def test_turn_a_hundred_times_sends_once(source, segment, call):
    capture(source.tenant_id, call)
    for _ in range(100):
        take_turn([source.pk])
    assert len(segment.requests()) == 1


def test_turn_by_four_at_once_sends_each_event_once(source, segment):
    capture_many(source.tenant_id, steps(200))
    workers = [in_thread(lambda: take_turn([source.pk])) for _ in range(4)]
    for worker in workers:
        worker.result(30)
    take_turn([source.pk])
    assert names(segment.events("us", WRITE_KEY)) == names(steps(200))


def test_turn_of_sources_that_are_gone_does_nothing(db, segment):
    take_turn([4_711])
    assert segment.requests() == []


def test_turn_of_a_paused_source_sends_nothing_and_keeps_all(source, segment, call):
    capture(source.tenant_id, call)
    pause_source(source)
    take_turn([source.pk])
    assert segment.requests() == []
    assert Pending.objects.count() == 1


def test_turn_yields_when_its_time_is_over_and_asks_for_another(source, tenant, segment, monkeypatch):
    monkeypatch.setattr(turn, "TURN_SECONDS", 0)
    second = make_source(tenant, OTHER_WRITE_KEY, name="Second")
    capture_many(tenant.pk, steps(3_000), sources=[source])
    capture(tenant.pk, steps(1)[0], sources=[second])
    forget_hints()
    take_turn([source.pk, second.pk])
    assert names(segment.events("us", OTHER_WRITE_KEY)) == ["Step 0 Done"]  # a single event is no reason to wait
    assert segment.events("us", WRITE_KEY) == []
    assert hints("us") == [[source.pk]]


@pytest.mark.parametrize(("free", "sent"), [(True, 5), (False, 1)])
def test_turn_goes_on_while_nobody_waits_for_its_slot(source, tenant, segment, monkeypatch, free, sent):
    monkeypatch.setattr(turn, "TURN_SECONDS", 0)
    capture_many(tenant.pk, steps(10_000))

    def may_go_on():
        monkeypatch.setattr(turn, "TURN_SECONDS", 15)
        return free

    take_turn([source.pk], may_go_on=may_go_on)
    assert len(segment.requests()) == sent


def test_turn_ends_sometime_though_nobody_waits(source, tenant, segment, monkeypatch):
    monkeypatch.setattr(turn, "TURN_SECONDS", 0)
    monkeypatch.setattr(turn, "LONGEST_SECONDS", 0)
    capture_many(tenant.pk, steps(10_000))
    take_turn([source.pk], may_go_on=lambda: True)
    assert len(segment.requests()) == 1


def test_turn_that_goes_on_finds_what_was_replayed_meanwhile(source, tenant, segment, monkeypatch):
    """While it knew of no other batch, it did not look for any."""
    Lane.objects.update(accepted_version=source.version)
    monkeypatch.setattr(turn, "TURN_SECONDS", 0)
    [replayed] = capture_many(tenant.pk, steps(1)).event_ids
    take_turn([source.pk])
    capture_many(tenant.pk, steps(10_000))

    def may_go_on():
        monkeypatch.setattr(turn, "TURN_SECONDS", 15)
        replay(source, Criteria(event_ids=(replayed,)), token="again", requested_by="test")
        return True

    take_turn([source.pk], may_go_on=may_go_on)
    assert Batch.objects.filter(replay__isnull=False).get().state == BatchState.ACCEPTED


def test_turn_looks_once_more_after_it_has_released(source, segment, call, monkeypatch):
    """A capture commits when the lane was just found empty: its own hint met a lane that was still leased."""
    looked = Gate()

    def find(*args, **known):
        parcel = next_parcel(*args, **known)
        assert parcel is None
        looked.wait()
        return parcel

    monkeypatch.setattr(runs, "next_parcel", find)
    slow = in_thread(lambda: take_turn([source.pk]))
    looked.reached()
    capture(source.tenant_id, call)
    take_turn([source.pk])  # what the capture's own hint comes to
    assert segment.requests() == []
    forget_hints()
    looked.open()
    slow.result(20)
    assert hints("us") == [[source.pk]]


def test_turn_whose_worker_dies_after_the_request_leaves_it_unknown(source, segment, call, monkeypatch):
    """The request arrived, the record was never written: it is sent again, with the same messageId."""
    capture(source.tenant_id, call)

    def die(*_args):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(recording, "accept", die)
        with pytest.raises(SystemExit):
            take_turn([source.pk])
    assert outcomes() == [Outcome.UNKNOWN]
    take_turn([source.pk])
    assert outcomes() == [Outcome.UNKNOWN]  # the lease of the dead is still running
    Lane.objects.update(leased_until="2026-01-01T00:00Z")
    take_turn([source.pk])
    assert outcomes() == [Outcome.UNKNOWN, Outcome.ACCEPTED]
    first, second = Attempt.objects.order_by("number")
    assert Batch.objects.get().first_ambiguous_at == first.started_at
    assert (first.ambiguous, second.ambiguous) == (True, False)
    assert len(segment.requests()) == 2
    assert len(segment.events("us", WRITE_KEY)) == 1


def test_turn_retries_after_an_error_of_segments_and_slows_down(source, segment, call):
    segment.fault("us", "status", status=503, count=2)
    capture(source.tenant_id, call)
    take_turn([source.pk])
    lane, batch = Lane.objects.get(), Batch.objects.get()
    assert (lane.failures, batch.tries, batch.state) == (1, 1, BatchState.OPEN)
    assert lane.not_before == batch.not_before is not None
    assert batch.first_ambiguous_at is not None
    take_turn([source.pk])
    assert len(segment.requests()) == 1
    for _ in range(2):
        make_due()
        take_turn([source.pk])
    assert outcomes() == [Outcome.SERVER_ERROR, Outcome.SERVER_ERROR, Outcome.ACCEPTED]
    assert Lane.objects.get().failures == 0


def test_turn_in_an_outage_sends_one_probe_and_opens_one_batch(source, segment):
    segment.fault("us", "status", status=500)
    capture_many(source.tenant_id, steps(3_000))
    for _ in range(4):
        take_turn([source.pk])
        make_due()
    assert len(segment.requests()) == 4
    assert Batch.objects.count() == 1


def test_turn_respects_a_429_for_every_source_with_that_key(source, tenant, segment, call):
    twin = make_source(tenant, WRITE_KEY, name="Twin")
    segment.fault("us", "status", status=429, headers={"Retry-After": "90"}, count=1)
    capture(tenant.pk, call)
    take_turn([source.pk])
    take_turn([twin.pk])
    assert len(segment.requests()) == 1
    assert outcomes() == [Outcome.RATE_LIMITED]
    assert Attempt.objects.get().retry_after == 90
    assert Batch.objects.get(source=source).tries == 0
    waits = {lane.pk: lane.not_before for lane in Lane.objects.all()}
    assert waits[twin.pk] == RateHold.objects.get().until
    make_due()
    take_turn([source.pk, twin.pk])
    assert len(segment.events("us", WRITE_KEY)) == 2


def test_turn_holds_a_lane_whose_key_is_refused_until_a_new_one(source, segment, call):
    segment.fault("us", "status", key=WRITE_KEY, **REVOKED)
    capture(source.tenant_id, call)
    take_turn([source.pk])
    lane = Lane.objects.get()
    assert (lane.hold, bool(lane.held_at)) == (Hold.KEY_REFUSED, True)
    assert "Paste the source's current write key" in lane.hold_reason
    capture(source.tenant_id, call)
    take_turn([source.pk])
    assert len(segment.requests()) == 1
    replace_write_key(source, Secret(OTHER_WRITE_KEY))
    take_turn([source.pk])
    assert len(segment.events("us", OTHER_WRITE_KEY)) == 2
    assert Lane.objects.get().hold == ""


def test_turn_with_a_late_401_of_an_old_key_holds_nothing(source, segment, call, monkeypatch):
    segment.fault("us", "status", key=WRITE_KEY, **REVOKED)
    capture(source.tenant_id, call)
    answered = Gate()
    record = recording.record

    def record_late(sent, answer, **kwargs):
        if answer.outcome == Outcome.KEY_REFUSED:
            answered.wait()
        return record(sent, answer, **kwargs)

    monkeypatch.setattr(runs, "record", record_late)
    slow = in_thread(lambda: take_turn([source.pk]))
    answered.reached()
    replace_write_key(source, Secret(OTHER_WRITE_KEY))
    answered.open()
    slow.result(20)
    assert Lane.objects.get().hold == ""
    assert outcomes() == [Outcome.KEY_REFUSED, Outcome.ACCEPTED]
    assert len(segment.events("us", OTHER_WRITE_KEY)) == 1


def test_turn_holds_a_key_that_was_never_accepted_and_is_answered_400_three_times(source, segment):
    segment.fault("us", "status", status=400)
    capture_many(source.tenant_id, steps(4))
    take_turn([source.pk])
    assert Lane.objects.get().hold == Hold.KEY_MALFORMED
    assert [each for each in states() if each[0] == BatchState.OPEN] == [(BatchState.OPEN, 1)] * 2 + [
        (BatchState.OPEN, 2)
    ]
    assert {state for state, _ in states()} == {BatchState.OPEN, BatchState.SPLIT}
    assert len(segment.requests()) == 3


def test_turn_quarantines_a_bad_event_of_a_key_that_was_never_accepted(source, segment):
    """The other half of its batch tells that the key is good."""
    segment.fault("us", "status", status=400, containing="Step 3 Done")
    capture_many(source.tenant_id, steps(16))
    take_turn([source.pk])
    assert Lane.objects.get().hold == ""
    assert names(segment.events("us", WRITE_KEY)) == names(steps(16)[:3] + steps(16)[4:])
    assert (BatchState.QUARANTINED, 1) in states()


def test_turn_tries_other_events_of_a_new_key_first_once_it_is_resumed(source, segment):
    segment.fault("us", "status", status=400, containing="Bad")
    for number in range(3):
        capture(source.tenant_id, track(event=f"Bad {number}", user_id="u-1"))
        take_turn([source.pk])
    assert Lane.objects.get().hold == Hold.KEY_MALFORMED
    capture_many(source.tenant_id, steps(2))
    lanes.start_afresh(source.pk)
    take_turn([source.pk])
    assert names(segment.events("us", WRITE_KEY)) == names(steps(2))
    take_turn([source.pk])
    assert (BatchState.QUARANTINED, 1) in states()


@pytest.mark.parametrize("status", [400, 413])
def test_turn_halves_a_batch_until_the_bad_event_stands_alone(source, segment, status):
    Lane.objects.update(accepted_version=source.version)
    segment.fault("us", "status", status=status, containing="Step 13 Done")
    capture_many(source.tenant_id, steps(64))
    take_turn([source.pk])
    take_turn([source.pk])
    assert names(segment.events("us", WRITE_KEY)) == names(steps(64)[:13] + steps(64)[14:])
    (bad,) = Batch.objects.filter(state=BatchState.QUARANTINED)
    assert [Event.objects.get(pk=pk).name for pk in bad.event_ids] == ["Step 13 Done"]
    assert bad.reason == f"Segment answered {status} to this event alone."
    assert sum(count for state, count in states() if state == BatchState.ACCEPTED) == 63
    assert Lane.objects.get().hold == ""


def test_turn_holds_after_three_rejections_in_a_row(source, segment):
    Lane.objects.update(accepted_version=source.version)
    segment.fault("us", "status", status=400)
    for call in steps(3):
        capture(source.tenant_id, call)
        take_turn([source.pk])
    assert states() == [(BatchState.OPEN, 1), (BatchState.QUARANTINED, 1), (BatchState.QUARANTINED, 1)]
    assert Lane.objects.get().hold == Hold.REJECTED_REPEATEDLY


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("unsuccessful", Outcome.NOT_CONFIRMED),
        ("html", Outcome.NOT_CONFIRMED),
        ("empty", Outcome.NOT_CONFIRMED),
        ("redirect", Outcome.REDIRECTED),
        ("reset_after", Outcome.BROKEN),
    ],
)
def test_turn_sends_again_after_what_is_no_acceptance(source, segment, call, fault, outcome):
    segment.fault("us", fault, count=1)
    capture(source.tenant_id, call)
    take_turn([source.pk])
    assert states() == [(BatchState.OPEN, 1)]
    make_due()
    take_turn([source.pk])
    assert outcomes() == [outcome, Outcome.ACCEPTED]
    assert len(segment.events("us", WRITE_KEY)) == 1


def test_turn_sets_aside_what_was_ambiguous_for_twenty_hours(source, segment, call):
    segment.fault("us", "status", status=503, count=1)
    capture(source.tenant_id, call)
    take_turn([source.pk])
    make_due()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_batch SET first_ambiguous_at = clock_timestamp() - interval '20 hours'")
    take_turn([source.pk])
    assert len(segment.requests()) == 1
    assert states() == [(BatchState.SET_ASIDE, 1)]
    assert "For 20 hours it could not be known" in Batch.objects.get().reason


def test_turn_never_sends_to_a_new_region_what_the_old_one_may_have(source, segment):
    segment.fault("us", "status", status=503, count=1)
    capture(source.tenant_id, steps(1)[0])
    take_turn([source.pk])
    capture(source.tenant_id, steps(2)[1])
    change_region(source, Region.EU)
    take_turn([source.pk])
    assert names(segment.events("eu", WRITE_KEY)) == ["Step 1 Done"]
    assert states() == [(BatchState.ACCEPTED, 1), (BatchState.SET_ASIDE, 1)]
    assert "The region was switched" in Batch.objects.get(state=BatchState.SET_ASIDE).reason


def test_turn_sends_to_a_new_region_what_surely_never_arrived(source, segment, settings):
    settings.SEGMENT_URLS = {**settings.SEGMENT_URLS, "us": "http://127.0.0.1:1/us/v1"}
    capture(source.tenant_id, steps(1)[0])
    take_turn([source.pk])
    assert outcomes() == [Outcome.NOT_SENT]
    change_region(source, Region.EU)
    take_turn([source.pk])
    assert names(segment.events("eu", WRITE_KEY)) == ["Step 0 Done"]


def test_turn_discards_a_batch_whose_events_were_erased(source, segment, call):
    segment.fault("us", "status", status=503, count=1)
    capture(source.tenant_id, call)
    take_turn([source.pk])
    make_due()
    Event.objects.all().delete()
    take_turn([source.pk])
    assert states() == [(BatchState.DISCARDED, 1)]


def test_turn_holds_a_lane_whose_key_cannot_be_read_until_it_is_pasted_again(source, segment, call):
    capture(source.tenant_id, call)
    WriteKey.objects.update(ciphertext=b"nonsense")
    take_turn([source.pk])
    lane = Lane.objects.get()
    assert (lane.hold, lane.lease_token) == (Hold.KEY_UNREADABLE, None)
    replace_write_key(source, Secret(WRITE_KEY))
    take_turn([source.pk])
    assert len(segment.events("us", WRITE_KEY)) == 1


def test_turn_leaves_a_lane_alone_after_an_unforeseen_error(source, other_source, segment, call, settings, caplog):
    """A URL that would carry the key in the clear: nothing is sent, nothing begun, and the other lane goes on."""
    european = make_source(source.tenant, OTHER_WRITE_KEY, Region.EU, "Second")
    settings.SEGMENT_URLS = {**settings.SEGMENT_URLS, "eu": "http://api.segment.invalid/v1"}
    capture(source.tenant_id, call)
    take_turn([european.pk, source.pk])
    assert "A turn failed: InsecureUrlError at client.py" in caplog.text
    assert outcomes() == [Outcome.ACCEPTED]
    lane = Lane.objects.get(pk=european.pk)
    assert (bool(lane.not_before), lane.lease_token) == (True, None)


def test_turn_logs_neither_key_nor_payload(source, segment, call, caplog):
    caplog.set_level(logging.INFO)
    capture(source.tenant_id, call)
    take_turn([source.pk])
    (ended,) = [record for record in caplog.records if record.name == "delivery.recording"]
    assert (ended.source_id, ended.batch_id, ended.attempt_id) == (
        source.pk, Batch.objects.get().pk, Attempt.objects.get().pk,
    )  # fmt: skip
    assert WRITE_KEY not in caplog.text
    assert "Email Opened" not in caplog.text


def test_turn_with_redis_away_goes_on_with_its_share(source, segment, call, settings, monkeypatch):
    monkeypatch.setattr(limiter, "_LOCAL", limiter.LocalShare())
    monkeypatch.setattr(limiter, "FIRST_SECONDS", 1)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    capture(source.tenant_id, call)
    take_turn([source.pk])
    assert segment.requests() == []  # the first permit of an outage is a second away
    time.sleep(1)
    take_turn([source.pk])
    assert len(segment.events("us", WRITE_KEY)) == 1


def test_turn_survives_an_answer_of_a_byte_a_second(source, other_source, segment, call, monkeypatch):
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 0.5)
    segment.fault("us", "slow", key=WRITE_KEY, every_ms=200, count=1, stores=False)
    capture(source.tenant_id, call)
    capture(other_source.tenant_id, call)
    take_turn([source.pk, other_source.pk])
    assert outcomes() == [Outcome.TIMEOUT, Outcome.ACCEPTED]
    monkeypatch.undo()
    make_due()
    take_turn([source.pk])
    assert len(segment.events("us", WRITE_KEY)) == 1
