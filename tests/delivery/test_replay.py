"""Replay: real turns send what it queues, to the stand-in."""

from datetime import timedelta

import pytest
from django.db import connection

from delivery import lanes, replay
from delivery.bodies import PAYLOAD_BYTES
from delivery.clock import database_now
from delivery.enums import BatchState, Hold
from delivery.errors import ReplayError
from delivery.models import Attempt, Batch, Event, Lane, Pending, Replay
from delivery.outbox import capture, capture_many
from delivery.queries import statuses
from delivery.replayable import FEW, Criteria, ranges_of, select
from delivery.turn import take_turn
from integrations.enums import Region
from integrations.secrets import Secret
from integrations.services import change_region, disconnect_source, pause_source, reconnect_source, resume_source
from integrations.spec.calls import track
from tests.conftest import WRITE_KEY
from tests.delivery.steps import Gate, in_thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]


def ask(source, token="once", **criteria):
    return replay.replay(source, Criteria(**criteria), token=token, requested_by="somebody")


def count(source, **criteria):
    return replay.count(source, Criteria(**criteria))


def large(letters):
    return track(event="Report Sent", user_id="u-1", properties={"text": "x" * letters})


@pytest.fixture
def set_aside(source, segment, call):
    """The ids of four events in a batch that was given up; `hours` after it may have reached Segment."""

    def make(hours=None, region="us"):
        event_ids = capture_many(source.tenant_id, [call] * 4).event_ids
        segment.fault("us", "status", status=501, count=1)
        take_turn([source.pk])
        reached = database_now() - timedelta(hours=hours) if hours is not None else None
        Attempt.objects.update(started_at=reached or database_now(), ambiguous=reached is not None, region=region)
        Batch.objects.update(first_ambiguous_at=reached, ambiguous_region=region if reached else "")
        Lane.objects.update(not_before=None)
        return event_ids

    return make


def test_replay_sends_the_same_ids_and_payloads(source, segment, set_aside):
    event_ids = set_aside()
    made = ask(source, batch_ids=[Batch.objects.get().pk])
    take_turn([source.pk])
    payloads = Event.objects.filter(pk__in=event_ids).values_list("message_id", flat=True)
    assert {call["messageId"] for call in segment.events("us", WRITE_KEY)} == {str(each) for each in payloads}
    assert (made.fresh, made.replay.event_count, made.replay.batch_count) == (True, 4, 1)
    assert made.replay.criteria == {"batch_ids": [Batch.objects.earliest("pk").pk]}
    states = list(Batch.objects.order_by("pk").values_list("state", "event_ids", "replay"))
    assert states == [(BatchState.REPLAYED, event_ids, None), (BatchState.ACCEPTED, event_ids, made.replay.pk)]


def test_replay_counts_each_event_once(source, segment, set_aside, call):
    set_aside()
    capture(source.tenant_id, call)
    take_turn([source.pk])
    ask(source, since=database_now() - timedelta(hours=1))
    take_turn([source.pk])
    (status,) = statuses(source.tenant_id)
    assert (status.accepted, status.set_aside, status.waiting) == (5, 0, 0)
    assert sorted(Batch.objects.filter(state="accepted").values_list("event_count", "again")) == [
        (1, False), (1, True), (4, False),
    ]  # fmt: skip


@pytest.fixture
def again(source, segment, call):
    """The ids of two events that Segment accepted, and that were sent again and set aside then."""
    event_ids = capture_many(source.tenant_id, [call] * 2).event_ids
    take_turn([source.pk])
    segment.fault("us", "status", status=501, count=1)
    ask(source, "before", event_ids=event_ids)
    take_turn([source.pk])
    states = list(Batch.objects.order_by("pk").values_list("state", "again"))
    assert states == [("accepted", False), ("set_aside", True)]
    Lane.objects.update(not_before=None)
    return event_ids


def test_replay_of_what_was_accepted_and_then_given_up_leaves_nothing_behind(source, again):
    ask(source, batch_ids=[Batch.objects.latest("pk").pk])
    take_turn([source.pk])
    assert list(Batch.objects.order_by("pk").values_list("state", "event_ids")) == [
        (state, again) for state in ("accepted", "replayed", "accepted")
    ]


def test_replay_of_one_of_what_was_accepted_and_then_given_up_leaves_the_other(source, again):
    ask(source, event_ids=again[:1])
    rest, sent = Batch.objects.order_by("pk")[2:]
    assert [(each.state, each.event_ids, each.again) for each in (rest, sent)] == [
        ("set_aside", again[1:], True), ("open", again[:1], True),
    ]  # fmt: skip


def test_replay_of_one_event_leaves_the_others_set_aside(source, set_aside):
    event_ids = set_aside(hours=2)
    ask(source, event_ids=event_ids[1:2])
    whole, rest, sent = Batch.objects.order_by("pk")
    assert (whole.state, whole.reason.startswith("Replay ")) == (BatchState.REPLAYED, True)
    assert (rest.state, rest.event_ids) == (BatchState.SET_ASIDE, [event_ids[0], *event_ids[2:]])
    assert (rest.reason, rest.first_ambiguous_at, rest.closed_at) == (
        "Segment answered 501, which sending again does not change.", whole.first_ambiguous_at, whole.closed_at,
    )  # fmt: skip
    assert (sent.state, sent.event_ids) == (BatchState.OPEN, [event_ids[1]])
    assert count(source, batch_ids=[rest.pk]).events == 3


def test_replay_twice_with_a_token_is_done_once(source, set_aside):
    set_aside()
    first, second = (ask(source, answer=501) for _ in range(2))
    assert (first.fresh, second.fresh) == (True, False)
    assert first.replay == second.replay
    assert Batch.objects.filter(replay__isnull=False).count() == 1


def test_replay_with_a_token_of_another_does_nothing(source, set_aside):
    event_ids = set_aside()
    ask(source, event_ids=event_ids[:1])
    with pytest.raises(ReplayError, match="used for another replay"):
        ask(source, event_ids=event_ids[1:])
    assert Batch.objects.filter(replay__isnull=False).count() == 1


@pytest.mark.parametrize("tokens", [("one", "one"), ("one", "another")])
def test_replay_clicked_twice_at_once_queues_each_event_once(source, set_aside, monkeypatch, tokens):
    event_ids = set_aside()
    gate = Gate()

    def slow(*arguments):
        gate.wait()
        return select(*arguments)

    def outcome(token):
        try:
            return ask(source, token, event_ids=event_ids).fresh
        except ReplayError as error:
            return str(error)

    monkeypatch.setattr("delivery.replay.select", slow)
    first = in_thread(lambda: outcome(tokens[0]))
    gate.reached()
    second = in_thread(lambda: outcome(tokens[1]))
    gate.open()
    late = (
        False
        if tokens[0] == tokens[1]
        else "There is nothing to replay: none of these events has ended, or they are gone."
    )
    assert [first.result(20), second.result(20)] == [True, late]
    assert list(Batch.objects.filter(replay__isnull=False).values_list("event_ids", flat=True)) == [event_ids]
    assert Replay.objects.count() == 1


def test_replay_inherits_the_first_time_it_may_have_arrived(source, set_aside):
    set_aside(hours=3)
    old = Batch.objects.get()
    assert count(source, batch_ids=[old.pk]).may_arrive_twice == 0
    ask(source, batch_ids=[old.pk])
    new = Batch.objects.latest("pk")
    assert (new.first_ambiguous_at, new.ambiguous_region) == (old.first_ambiguous_at, "us")


def test_replay_of_accepted_events_inherits_when_they_were_sent(source, segment, call):
    capture(source.tenant_id, call)
    take_turn([source.pk])
    attempt = Attempt.objects.get()
    counted = count(source, answer=200)
    assert (counted.events, counted.accepted_before, counted.may_arrive_twice) == (1, 1, 0)
    ask(source, answer=200)
    new = Batch.objects.latest("pk")
    assert (new.first_ambiguous_at, new.ambiguous_region, new.again) == (attempt.started_at, "us", True)


@pytest.mark.parametrize(("hours", "region"), [(21, "us"), (1, "eu")])
def test_replay_past_the_window_warns_and_is_sent(source, segment, set_aside, hours, region):
    set_aside(hours=hours, region=region)
    assert count(source, answer=501).may_arrive_twice == 4
    assert ask(source, answer=501).replay.may_arrive_twice == 4
    take_turn([source.pk])
    assert len(segment.events("us", WRITE_KEY)) == 4


def test_replay_after_a_region_switch_warns(source, segment, call):
    capture(source.tenant_id, call)
    take_turn([source.pk])
    change_region(source, Region.EU)
    assert count(source, answer="accepted").may_arrive_twice == 1


def test_replay_does_not_mix_what_may_have_arrived_with_what_has_not(source, segment, set_aside, call):
    old = set_aside(hours=1)
    new = capture_many(source.tenant_id, [call] * 2).event_ids
    segment.fault("us", "status", status=501, count=1)
    take_turn([source.pk])
    Attempt.objects.filter(batch__event_ids=new).update(ambiguous=False)
    Batch.objects.filter(event_ids=new).update(first_ambiguous_at=None, ambiguous_region="")
    ask(source, event_ids=old + new)
    made = Batch.objects.filter(replay__isnull=False).order_by("pk")
    assert [(batch.event_ids, batch.first_ambiguous_at is None) for batch in made] == [(old, False), (new, True)]


def test_replay_leaves_out_what_waits(source, segment, call):
    event_ids = capture_many(source.tenant_id, [call] * 3).event_ids
    counted = count(source, event_ids=event_ids)
    assert (counted.events, counted.waiting, counted.gone) == (0, 3, 0)
    with pytest.raises(ReplayError, match="nothing to replay"):
        ask(source, event_ids=event_ids)
    assert (Pending.objects.count(), Batch.objects.count()) == (3, 0)


def test_replay_says_what_is_gone(source, set_aside, other_source, call):
    event_ids = set_aside()
    foreign = capture(other_source.tenant_id, call).event_ids
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM delivery_event WHERE id = %s", [event_ids[0]])
    assert count(source, event_ids=[*event_ids, *foreign]).gone == 2
    assert count(source, batch_ids=[Batch.objects.get().pk]).gone == 1


def test_replay_by_time_takes_what_was_captured_then(source, set_aside):
    event_ids = set_aside()
    times = list(Event.objects.order_by("pk").values_list("captured_at", flat=True))
    assert count(source, since=times[0], until=times[0]).events == 0
    assert count(source, since=times[0]).events == len(event_ids)
    assert count(source, until=times[0]).events == 0


def test_replay_by_answer_asks_for_the_last_one(source, segment, call):
    """The first answer was a 503; by now the events are accepted."""
    capture(source.tenant_id, call)
    segment.fault("us", "status", status=503, count=1)
    take_turn([source.pk])
    Lane.objects.update(not_before=None)
    Batch.objects.update(not_before=None)
    take_turn([source.pk])
    assert [count(source, answer=answer).events for answer in (503, "server_error", 200, "accepted")] == [0, 0, 1, 1]


def test_replay_of_a_half_without_an_answer_of_its_own_goes_by_that_of_the_whole(source, set_aside):
    event_ids = set_aside()
    ask(source, event_ids=event_ids[:1])
    assert count(source, answer=501).events == 3


def test_replay_needs_criteria(source):
    with pytest.raises(ReplayError, match="Say which events"):
        count(source)


def test_replay_is_cut_by_count_and_by_bytes(source, segment):
    event_ids = capture_many(source.tenant_id, [large(30_000)] * 17 + [large(1)]).event_ids
    segment.fault("us", "status", status=501)
    take_turn([source.pk])
    Lane.objects.update(not_before=None)
    take_turn([source.pk])
    Attempt.objects.update(ambiguous=False)
    Batch.objects.update(first_ambiguous_at=None, ambiguous_region="")
    assert ask(source, event_ids=event_ids).replay.batch_count == 2
    made = Batch.objects.filter(replay__isnull=False).order_by("pk")
    assert [batch.event_count for batch in made] == [16, 2]
    assert all(batch.bytes + batch.event_count - 1 <= PAYLOAD_BYTES for batch in made)
    assert [event_id for batch in made for event_id in batch.event_ids] == event_ids


def test_replay_of_a_paused_source_waits_until_it_is_resumed(source, segment, set_aside):
    set_aside()
    pause_source(source)
    assert replay.notes(source) == ["The source is paused: the events are queued and sent when it is resumed."]
    ask(source, answer=501)
    take_turn([source.pk])
    assert segment.events("us", WRITE_KEY) == []
    resume_source(source)
    take_turn([source.pk])
    assert len(segment.events("us", WRITE_KEY)) == 4


def test_replay_of_a_disconnected_source_does_nothing(source, set_aside):
    set_aside()
    disconnect_source(source)
    assert replay.notes(source) == ["The source is disconnected: reconnect it first."]
    with pytest.raises(ReplayError, match="Reconnect it first"):
        ask(source, answer=501)
    assert (Replay.objects.count(), Batch.objects.get().state) == (0, BatchState.SET_ASIDE)
    reconnect_source(source, Secret(WRITE_KEY), Region.US)
    assert ask(source, answer=501).fresh


def test_replay_notes_tell_of_a_hold(source):
    capture_hold = "Paste the key."
    lanes.start_afresh(source.pk)
    lanes.hold(source.pk, Hold.KEY_REFUSED, capture_hold)
    assert replay.notes(source) == ["The source is held, so the events are queued: Paste the key."]


def test_replay_leaves_out_a_batch_that_was_accepted_meanwhile(source, set_aside, monkeypatch):
    set_aside()

    def late(*arguments):
        selection = select(*arguments)
        Batch.objects.update(state=BatchState.ACCEPTED)
        return selection

    monkeypatch.setattr("delivery.replay.select", late)
    with pytest.raises(ReplayError, match="nothing to replay"):
        ask(source, answer=501)
    assert (Replay.objects.count(), Batch.objects.count()) == (0, 1)


def test_replay_of_more_than_a_few_finds_each_event_in_its_batch(source, segment, call):
    """These are looked for by the ranges that their ids lie in."""
    event_ids = capture_many(source.tenant_id, [call] * (FEW + 2)).event_ids
    segment.fault("us", "status", status=501, count=1)
    take_turn([source.pk])
    waiting = capture(source.tenant_id, call).event_ids
    assert count(source, event_ids=event_ids[:FEW]).events == FEW
    counted = count(source, event_ids=[*event_ids, *waiting])
    assert (counted.events, counted.batches, counted.waiting) == (FEW + 2, 1, 1)
    assert ask(source, event_ids=event_ids).replay.event_count == FEW + 2


@pytest.mark.parametrize(
    ("event_ids", "ranges"),
    [
        (range(5, 90), [(5, 89)]),
        ([1, 2, 4, 9_000, 9_001, 20_000], [(1, 4), (9_000, 9_001), (20_000, 20_000)]),
        (range(0, 10**6, 500), [(0, 999_500)]),
        ([7], [(7, 7)]),
    ],
)
def test_events_are_parted_where_many_others_lie_between(event_ids, ranges):
    assert ranges_of(event_ids) == ranges


def test_replay_tells_how_far_it_has_looked(source, set_aside, monkeypatch):
    set_aside()
    monkeypatch.setattr("delivery.replayable.CHUNK", 3)
    told = []
    replay.count(source, Criteria(answer=501), lambda *numbers: told.append(numbers))
    assert told == [(3, 4), (4, 4)]


@pytest.mark.parametrize("criterion", ["since", "until"])
def test_replay_by_time_takes_events_that_got_their_ids_in_another_order(source, set_aside, criterion):
    """Of two captures the one that began first may have waited, and got the later id."""
    first, second, *others = set_aside()
    now = database_now()
    for event_id, minutes in ((first, 1), (second, 3), *((other, 30) for other in others)):
        Event.objects.filter(pk=event_id).update(captured_at=now - timedelta(minutes=minutes))
    moment = now - timedelta(minutes=2)
    span = Criteria(since=moment) if criterion == "since" else Criteria(until=moment)
    chosen = [each.id for each in select(source, span).events]
    assert chosen == ([first] if criterion == "since" else [second, *others])
