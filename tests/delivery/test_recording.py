"""Answers that come late, or to a batch that somebody has moved on meanwhile. The usual way is in test_turn.py."""

from datetime import timedelta

import pytest

from delivery import lanes
from delivery.batching import cut, payloads_of
from delivery.choosing import close, next_parcel
from delivery.clock import database_now
from delivery.enums import BatchState, Hold, Outcome
from delivery.models import Attempt, Batch, Lane, RateHold, Replay
from delivery.outbox import capture_many
from delivery.outcomes import Answer
from delivery.recording import record
from delivery.sending import begin
from integrations.enums import Region
from integrations.models import Source
from integrations.queries import sending_credentials
from tests.delivery.steps import sure

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

ACCEPTED = Answer(Outcome.ACCEPTED, ambiguous=False, status_code=200)
FAILED = Answer(Outcome.SERVER_ERROR, ambiguous=True, status_code=503)
REJECTED = Answer(Outcome.REJECTED, ambiguous=False, status_code=400)
REVOKED = Answer(Outcome.KEY_REFUSED, ambiguous=False, status_code=401)
LIMITED = Answer(Outcome.RATE_LIMITED, ambiguous=False, status_code=429, retry_after=60)


@pytest.fixture
def attempt(source, call):
    """Begins an attempt, of a new batch of four events or of the one that is due."""
    Lane.objects.update(accepted_version=source.version)
    capture_many(source.tenant_id, [call] * 4)

    def begin_one():
        Lane.objects.update(leased_until=None, not_before=None)
        Batch.objects.update(not_before=None)
        lease = sure(lanes.lease(source.pk))
        return sure(begin(lease, sure(next_parcel(lease, Region.US)), sure(sending_credentials(source.pk))))

    return begin_one


def test_record_completes_the_attempt(attempt):
    sent = attempt()
    assert record(sent, FAILED) is False
    row = Attempt.objects.get()
    assert (row.outcome, row.ambiguous, row.status_code) == (Outcome.SERVER_ERROR, True, 503)
    assert sure(row.finished_at) >= row.started_at


def test_record_of_a_failure_after_a_later_attempt_changes_the_attempt_alone(attempt):
    """The lease had run out while its request ran; another worker has gone on meanwhile."""
    late, later = attempt(), attempt()
    record(later, ACCEPTED)
    before = Batch.objects.get()
    record(late, REJECTED)
    after = Batch.objects.get()
    assert (after.state, after.closed_at) == (before.state, before.closed_at) == (BatchState.ACCEPTED, before.closed_at)
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == [
        Outcome.REJECTED, Outcome.ACCEPTED,
    ]  # fmt: skip
    assert Lane.objects.get().failures == 0


def test_record_of_a_late_401_after_a_later_attempt_holds_nothing(attempt):
    late, _later = attempt(), attempt()
    record(late, REVOKED)
    assert Lane.objects.get().hold == ""


@pytest.mark.parametrize("answer", [LIMITED, FAILED])
def test_record_of_a_late_failure_takes_back_the_crash_that_its_silence_counted_as(attempt, answer):
    silent = [attempt(), attempt(), attempt()]
    assert Batch.objects.get().crashes == 2
    for late, crashes in zip(silent[:2], (1, 0), strict=True):
        record(late, answer)
        assert (Batch.objects.get().crashes, Batch.objects.get().tries) == (crashes, 0)


@pytest.mark.parametrize("state", [BatchState.OPEN, BatchState.SET_ASIDE, BatchState.QUARANTINED])
def test_record_of_a_200_wins_however_late(attempt, state):
    late, _later = attempt(), attempt()
    if state != BatchState.OPEN:
        close(Batch.objects.get(), state, "Somebody gave up.")
    record(late, ACCEPTED)
    batch = Batch.objects.get()
    assert (batch.state, batch.reason) == (BatchState.ACCEPTED, "")


def test_record_of_a_late_200_speaks_for_the_halves_too(attempt):
    late, later = attempt(), attempt()
    record(later, REJECTED)
    record(attempt(), REJECTED)  # the first half is split once more
    record(late, ACCEPTED)
    assert sorted(Batch.objects.values_list("state", "event_count")) == [
        (BatchState.ACCEPTED, 1), (BatchState.ACCEPTED, 1), (BatchState.ACCEPTED, 2),
        (BatchState.SPLIT, 2), (BatchState.SPLIT, 4),
    ]  # fmt: skip


def test_record_of_an_old_success_clears_no_newer_hold(attempt, source):
    late, _later = attempt(), attempt()
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    record(late, ACCEPTED)
    assert Lane.objects.get().hold == Hold.KEY_REFUSED


def test_record_splits_into_halves_that_inherit(attempt, source):
    record(attempt(), FAILED)
    asked = Replay.objects.create(
        tenant=source.tenant, source=source, token="t", requested_by="owner", criteria={}, event_count=4, batch_count=1,
        accepted_before=4, may_arrive_twice=0, created_at=database_now(),
    )  # fmt: skip
    Batch.objects.update(replay=asked, again=True, waiting_since=database_now() - timedelta(days=1))
    whole = Batch.objects.get()
    assert record(attempt(), REJECTED) is True
    halves = list(Batch.objects.filter(parent=whole).order_by("pk"))
    assert [half.event_ids for half in halves] == [whole.event_ids[:2], whole.event_ids[2:]]
    assert sum(half.bytes for half in halves) == whole.bytes
    assert all(half.first_ambiguous_at == whole.first_ambiguous_at is not None for half in halves)
    assert {half.ambiguous_region for half in halves} == {"us"}
    assert {half.waiting_since for half in halves} == {whole.waiting_since}
    assert {(half.replay_id, half.again) for half in halves} == {(asked.pk, True)}
    assert [len(payloads_of(half)[0]) for half in halves] == [2, 2]


def test_record_keeps_the_first_ambiguous_attempt(attempt):
    first = attempt()
    record(first, FAILED)
    record(attempt(), FAILED)
    assert Batch.objects.get().first_ambiguous_at == Attempt.objects.get(pk=first.attempt_id).started_at


def test_record_of_a_429_never_shortens_a_longer_pause(attempt):
    sent = attempt()
    RateHold.objects.create(key_id=sent.credentials.rate_key, until="2999-01-01T00:00Z")
    record(sent, LIMITED)
    assert RateHold.objects.get().until.year == 2999


def test_record_of_a_429_costs_no_try(attempt):
    sent = attempt()
    record(sent, LIMITED)
    assert Batch.objects.get().tries == 0
    until = RateHold.objects.get(pk=sent.credentials.rate_key).until
    assert timedelta(seconds=55) < until - database_now() <= timedelta(seconds=60)


def test_record_for_a_source_that_was_deleted_does_nothing(attempt, source):
    sent = attempt()
    Source.objects.get(pk=source.pk).delete()
    record(sent, ACCEPTED)
    assert record(sent, FAILED) is False
    assert Attempt.objects.count() == 0
    assert Batch.objects.count() == 0


def test_a_ninth_batch_is_not_opened(source, call):
    lease = sure(lanes.lease(source.pk))
    for _ in range(8):
        capture_many(source.tenant_id, [call])
        cut(lease)
    Batch.objects.update(not_before=database_now() + timedelta(seconds=300))
    capture_many(source.tenant_id, [call])
    assert next_parcel(lease, Region.US) is None
    wait = sure(Lane.objects.get().not_before) - database_now()
    assert timedelta(seconds=200) < wait <= timedelta(seconds=300)
