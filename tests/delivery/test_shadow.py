import time
from datetime import timedelta

import pytest
from django.utils import timezone

from delivery import shadow
from delivery.batching import new_batch
from delivery.enums import BatchState
from delivery.models import Batch, Event, Pending
from delivery.outbox import capture_many
from delivery.shadow_models import GoingLive
from delivery.sweep import due
from delivery.turn import take_turn
from integrations.errors import SourceStateError
from integrations.models import Source
from integrations.services import disconnect_source, enter_shadow, go_live, pause_source
from integrations.spec.calls import track
from tenants.models import AuditEntry
from tests.conftest import WRITE_KEY
from tests.delivery.steps import Gate, in_thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]


def captured(source, name, count=1):
    calls = [track(event=name, user_id=f"u-{number}") for number in range(count)]
    return capture_many(source.tenant_id, calls, sources=[source]).event_ids


def aged(event_ids, minutes):
    Event.objects.filter(pk__in=event_ids).update(captured_at=timezone.now() - timedelta(minutes=minutes))


def since(minutes):
    return timezone.now() - timedelta(minutes=minutes)


@pytest.fixture
def shadowed(source):
    """One event from before the shadow, then one of 50, one of 30 and one of 10 minutes ago."""
    before = captured(source, "Before")
    aged(before, 90)
    enter_shadow(source)
    Source.objects.filter(pk=source.pk).update(shadow_since=since(60))
    source.refresh_from_db()
    for name, minutes in (("Old", 50), ("Middle", 30), ("New", 10)):
        aged(captured(source, name), minutes)
    return source


def names_of(event_ids):
    return sorted(Event.objects.filter(pk__in=list(event_ids)).values_list("name", flat=True))


def waiting(source):
    return names_of(Pending.objects.filter(source_id=source.pk).values_list("event_id", flat=True))


def discarded():
    batches = Batch.objects.filter(state=BatchState.DISCARDED)
    return names_of(event_id for batch in batches for event_id in batch.event_ids)


def test_turns_and_sweep_leave_a_source_in_shadow_alone(shadowed, segment):
    take_turn([shadowed.pk])
    assert due() == []
    assert segment.events("us", WRITE_KEY) == []
    assert waiting(shadowed) == ["Before", "Middle", "New", "Old"]


@pytest.mark.parametrize(("minutes", "sent", "left_out"), [(0, 1, 3), (20, 2, 2), (40, 3, 1), (60, 4, 0), (600, 4, 0)])
def test_catch_up_counts_what_is_sent_and_what_is_not(shadowed, minutes, sent, left_out):
    plan = shadow.catch_up(shadowed, since(minutes))
    assert (plan.sent, plan.left_out) == (sent, left_out)


def test_catch_up_of_nothing_waiting_is_nothing(source):
    enter_shadow(source)
    plan = shadow.catch_up(source, since(0))
    assert (plan.sent, plan.left_out) == (0, 0)


def test_catch_up_counts_open_batches_as_sent_whatever_is_chosen(shadowed, other_source, owner):
    """Those from before the shadow, and what was sent again during it: no choice keeps them back."""
    for source, ids in ((shadowed, [1, 2, 3]), (shadowed, [4, 5]), (other_source, [6])):
        new_batch(source.pk, source.tenant_id, ids, 10)
    new_batch(shadowed.pk, shadowed.tenant_id, [7], 10, state=BatchState.DISCARDED, closed_at=timezone.now())
    plans = [shadow.catch_up(shadowed, since(minutes)) for minutes in (0, 60)]
    assert [(plan.sent, plan.begun, plan.left_out) for plan in plans] == [(6, 5, 3), (9, 5, 0)]
    assert shadow.switch_on(shadowed, since(0), by=owner)
    assert AuditEntry.objects.get(deed="switched on").details == {"sent": "6", "left_out": "3"}


@pytest.mark.parametrize(
    ("minutes", "sent", "left_out"), [(0, "1", "more than 2"), (20, "2", "2"), (40, "more than 2", "1")]
)
def test_catch_up_stops_counting_and_says_more_than(shadowed, owner, monkeypatch, minutes, sent, left_out):
    monkeypatch.setattr(shadow, "MOST_COUNTED", 2)
    plan = shadow.catch_up(shadowed, since(minutes))
    assert max(plan.sent, plan.left_out) <= 3
    shadow.switch_on(shadowed, since(minutes), by=owner)
    assert AuditEntry.objects.get(deed="switched on").details == {"sent": sent, "left_out": left_out}


def test_catch_up_stops_at_one_more_than_is_counted_however_much_is_begun(shadowed, monkeypatch):
    monkeypatch.setattr(shadow, "MOST_COUNTED", 2)
    new_batch(shadowed.pk, shadowed.tenant_id, list(range(1, 10)), 10)
    plan = shadow.catch_up(shadowed, since(60))
    assert (plan.sent, plan.begun, plan.left_out) == (3, 3, 0)


def test_switch_on_sends_what_was_chosen_and_says_why_the_rest_is_not(shadowed, segment, owner):
    assert shadow.switch_on(shadowed, since(20), by=owner)
    assert discarded() == ["Middle", "Old"]
    batch = Batch.objects.get(state=BatchState.DISCARDED)
    assert batch.reason.startswith(f"Captured in shadow, and left out when {owner.email} switched the source on (")
    assert batch.closed_at is not None
    assert batch.waiting_since == Event.objects.get(name="Old").captured_at
    take_turn([shadowed.pk])
    assert sorted(call["event"] for call in segment.events("us", WRITE_KEY)) == ["Before", "New"]
    assert not GoingLive.objects.exists()
    entry = AuditEntry.objects.get(deed="switched on")
    assert (entry.subject, entry.details) == ("Main", {"sent": "2", "left_out": "2"})


def test_switch_on_in_chunks_goes_on_where_it_stopped(source, owner, monkeypatch):
    monkeypatch.setattr(shadow, "MAX_BATCH_EVENTS", 2)
    enter_shadow(source)
    captured(source, "Old", 5)
    assert not shadow.switch_on(source, timezone.now(), by=owner, seconds=0)
    assert len(discarded()) == 2
    captured(source, "New")
    shadow.finish(source.pk, 0)
    source.refresh_from_db()
    assert (source.state, GoingLive.objects.get().left_out) == ("shadow", 4)
    shadow.finish_all()
    source.refresh_from_db()
    assert (source.state, source.shadow_since, discarded(), waiting(source)) == (
        "connected",
        None,
        ["Old"] * 5,
        ["New"],
    )


def test_switch_on_twice_is_done_once(shadowed, owner):
    assert shadow.switch_on(shadowed, since(0), by=owner)
    with pytest.raises(SourceStateError, match="is not in shadow"):
        shadow.switch_on(shadowed, since(0), by=owner)
    assert discarded() == ["Middle", "New", "Old"]


def test_switch_on_under_way_is_not_begun_again(source, owner, monkeypatch):
    monkeypatch.setattr(shadow, "MAX_BATCH_EVENTS", 1)
    enter_shadow(source)
    captured(source, "Old", 2)
    assert not shadow.switch_on(source, timezone.now(), by=owner, seconds=0)
    with pytest.raises(SourceStateError, match="is being switched on already"):
        shadow.switch_on(source, timezone.now(), by=owner)


def test_source_disconnected_on_its_way_out_is_asked_again(source, owner, monkeypatch):
    monkeypatch.setattr(shadow, "MAX_BATCH_EVENTS", 1)
    enter_shadow(source)
    captured(source, "Old", 2)
    assert not shadow.switch_on(source, timezone.now(), by=owner, seconds=0)
    disconnect_source(source)
    shadow.finish_all()
    source.refresh_from_db()
    assert (source.state, waiting(source), GoingLive.objects.exists()) == ("disconnected", ["Old"], False)


def test_two_who_finish_at_once_leave_each_event_out_once(source, owner, monkeypatch):
    monkeypatch.setattr(shadow, "MAX_BATCH_EVENTS", 3)
    enter_shadow(source)
    captured(source, "Old", 40)
    assert not shadow.switch_on(source, timezone.now(), by=owner, seconds=0)
    until = time.monotonic() + 20
    both = [in_thread(lambda: shadow.finish(source.pk, until)) for _ in range(2)]
    assert [each.result(30) for each in both] == [True, True]
    source.refresh_from_db()
    assert (source.state, len(discarded()), waiting(source)) == ("connected", 40, [])
    assert sum(Batch.objects.values_list("event_count", flat=True)) == 40


def test_capture_that_commits_after_going_live_is_sent(source, owner, segment):
    from django.db import transaction

    enter_shadow(source)
    captured(source, "Old")
    gate = Gate()

    def capture_slowly():
        with transaction.atomic():
            captured(source, "Late")
            gate.wait()

    late = in_thread(capture_slowly)
    gate.reached()
    assert shadow.switch_on(source, timezone.now(), by=owner)
    gate.open()
    late.result(20)
    assert [source_id for source_id, _, _ in due()] == [source.pk]
    take_turn([source.pk])
    assert [call["event"] for call in segment.events("us", WRITE_KEY)] == ["Late"]


def test_a_paused_source_goes_through_the_shadow(source):
    pause_source(source)
    captured(source, "Kept")
    enter_shadow(source)
    go_live(source)
    assert waiting(source) == ["Kept"]
