"""The first requests of many lanes, begun together."""

from datetime import timedelta

import pytest
from django.db.models import F

from delivery import lanes, limiter, wave
from delivery.batching import new_batch
from delivery.clock import database_now
from delivery.models import Attempt, Batch, Event, Lane, Pending
from delivery.outbox import capture
from delivery.runs import Run
from delivery.senders import THREADS, senders
from delivery.turn import take_turn
from delivery.wave import begin_wave
from integrations.enums import Region
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY
from tests.delivery.hinting import forget_hints, hints

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]


@pytest.fixture
def waiting(source, other_source, call):
    """Two lanes with keys of their own, an event each."""
    for each in (source, other_source):
        capture(each.tenant_id, call)
    return [source.pk, other_source.pk]


@pytest.fixture
def no_permits(monkeypatch):
    """No wait is short enough, not even none."""
    monkeypatch.setattr(limiter, "PATIENCE", -1)


def test_wave_of_lanes_that_are_empty_by_now_is_done_with_them(
    source, other_source, segment, django_assert_num_queries
):
    runs = [Run(lease) for lease in lanes.lease_many([source.pk, other_source.pk])]
    with django_assert_num_queries(7):
        begin_wave(runs)
    assert [(run.going, run.flights) for run in runs] == [(False, {})] * 2


def test_wave_leaves_a_lane_with_an_open_batch_to_its_own_turn(waiting, source):
    new_batch(source.pk, source.tenant_id, [1], 2)
    runs = [Run(lease) for lease in lanes.lease_many(waiting)]
    begin_wave(runs)
    assert [(run.going, len(run.flights)) for run in runs] == [(True, 0), (False, 1)]


def test_batches_of_a_wave_wait_since_their_first_events_were_captured(waiting, source, call, segment):
    capture(source.tenant_id, call)
    Event.objects.filter(source=source).update(captured_at=database_now() - F("pk") * timedelta(hours=1))
    begin_wave([Run(lease) for lease in lanes.lease_many(waiting)])
    firsts = {each: min(Event.objects.filter(source=each).values_list("captured_at", flat=True)) for each in waiting}
    assert dict(Batch.objects.values_list("source_id", "waiting_since")) == firsts


def test_wave_is_done_with_lanes_for_which_there_is_no_thread(waiting, segment):
    pool = senders(Region.US)
    taken = [pool.reserve() for _ in range(THREADS - 1)]
    runs = [Run(lease) for lease in lanes.lease_many(waiting)]
    try:
        begin_wave(runs)
    finally:
        for _ in taken:
            pool.give_back()
    assert [(run.going, len(run.flights)) for run in runs] == [(False, 1), (False, 0)]
    assert Pending.objects.count() == 1


def test_lane_for_which_there_was_no_thread_is_asked_for_again(waiting, segment):
    pool = senders(Region.US)
    taken = [pool.reserve() for _ in range(THREADS - 1)]
    forget_hints()
    try:
        take_turn(waiting)
    finally:
        for _ in taken:
            pool.give_back()
    assert hints("us") == [[waiting[1]]]


def test_permits_of_a_wave_are_for_one_moment_after_the_other(waiting, monkeypatch):
    asked: list[limiter.Asked] = []

    def permits(those):
        asked.extend(those)
        return limiter.permits(those)

    monkeypatch.setattr(wave, "permits", permits)
    begin_wave([Run(lease) for lease in lanes.lease_many(waiting)])
    assert [(each.lead, each.span) for each in asked] == [(0, 2 * wave.SPAN), (wave.LEAD, 2 * wave.SPAN)]


@pytest.mark.usefixtures("no_permits")
def test_wave_without_a_permit_cuts_and_begins_no_attempt(waiting, segment):
    runs = [Run(lease) for lease in lanes.lease_many(waiting)]
    begin_wave(runs)
    assert [(run.going, run.flights, run.permit) for run in runs] == [(True, {}, None)] * 2
    assert list(Batch.objects.values_list("state", "event_count", "attempts_made")) == [("open", 1, 0)] * 2
    assert (Pending.objects.count(), Attempt.objects.count(), segment.requests()) == (0, 0, [])


@pytest.mark.usefixtures("no_permits")
def test_wave_without_a_permit_gives_its_threads_back(waiting):
    begin_wave([Run(lease) for lease in lanes.lease_many(waiting)])
    pool = senders(Region.US)
    free = sum(pool.reserve() for _ in range(THREADS))
    for _ in range(free):
        pool.give_back()
    assert free == THREADS


def test_lane_of_a_wave_without_a_permit_is_sent_when_it_has_one(waiting, segment, monkeypatch):
    with monkeypatch.context() as patient:
        patient.setattr(limiter, "PATIENCE", -1)
        take_turn(waiting)
    assert segment.requests() == []
    assert list(Lane.objects.values_list("lease_token", flat=True)) == [None] * 2
    Lane.objects.update(not_before=None)
    take_turn(waiting)
    assert [len(segment.events("us", key)) for key in (WRITE_KEY, OTHER_WRITE_KEY)] == [1, 1]
    assert list(Batch.objects.values_list("state", "attempts_made")) == [("accepted", 1)] * 2
