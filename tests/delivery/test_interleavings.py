"""No order of turns, captures, changes of the source and crashes loses an event, sends it twice without need, or leaves
a lane asleep."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from delivery import client, limiter, runs, turn
from delivery.clock import database_now
from delivery.enums import BatchState
from delivery.models import Batch, Lane
from delivery.redis_link import ask
from delivery.turn import take_turn
from integrations.services import resume_source
from tests.conftest import WRITE_KEY
from tests.delivery.hinting import hints
from tests.delivery.interleavings.actors import Actor, Answers, OwnLock, Place
from tests.delivery.interleavings.held_segment import HOLDING_SECONDS, held_segment
from tests.delivery.interleavings.machine import LaneMachine
from tests.delivery.interleavings.stage import DEEDS, Stage
from tests.delivery.steps import sure
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]

BOUNDS = settings(
    deadline=None, database=None, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip


def slowly(*values):
    """These are tried by `make drill` only: together the orders would take minutes of `make test`."""
    return [pytest.param(value, marks=[pytest.mark.drill, pytest.mark.slow_drill]) for value in values]


@pytest.fixture
def held(settings, monkeypatch):
    # A turn that is stopped for as long as a test likes must neither leave nor end by the clock, nor its requests.
    monkeypatch.setattr(turn, "LINGER_SECONDS", HOLDING_SECONDS)
    monkeypatch.setattr(turn, "TURN_SECONDS", HOLDING_SECONDS)
    monkeypatch.setattr(client, "READ_SECONDS", HOLDING_SECONDS)
    monkeypatch.setattr(client, "DEADLINE_SECONDS", HOLDING_SECONDS)
    monkeypatch.setattr(turn, "SimpleQueue", Answers)
    monkeypatch.setattr(runs, "_alone", OwnLock())
    client.close_connections()
    with held_segment() as segment:
        settings.SEGMENT_URLS = segment.urls
        yield segment
    client.close_connections()


@pytest.fixture
def machine(held):
    class Machine(LaneMachine):
        segment = held

    return Machine


def test_any_order_keeps_the_promises(machine):
    run_state_machine_as_test(
        machine, settings=settings(BOUNDS, max_examples=4, stateful_step_count=30, derandomize=True)
    )


@pytest.mark.drill
@pytest.mark.slow_drill
def test_any_order_keeps_the_promises_for_longer(machine):
    run_state_machine_as_test(machine, settings=settings(BOUNDS, max_examples=200, stateful_step_count=50))


@contextmanager
def stage_of(held) -> Iterator[Stage]:
    stage = Stage(held)
    try:
        yield stage
    finally:
        stage.tidy_up()


def each_moment(held, *, events=1, lanes=1) -> Iterator[tuple[Stage, Actor]]:
    """A turn before its first transaction, before its second, … and while its request is held: each on a new stage.

    Two lanes in one turn begin what they send in another way (delivery/wave.py) than one by itself.
    """
    for moment in range(40):
        with stage_of(held) as stage:
            stage.capture(stage.sources[0], events) if events else None
            worker = stage.start(stage.sources[:lanes])
            for _ in range(moment):
                move_on(stage, worker, "200")
            if worker.place == Place.OVER:
                assert moment > 4, "A turn has more transactions than these."
                return
            yield stage, worker
    raise AssertionError("The turn does not end.")


def move_on(stage: Stage, worker: Actor, answer: str) -> None:
    if stage.held_by(worker):
        stage.answer(worker, answer)
    elif worker.place == Place.AT_A_GATE:
        stage.step(worker)
    else:
        worker.come_to_rest()


def to_its_end(stage: Stage, worker: Actor, answer: str = "200") -> None:
    while worker.place != Place.OVER:
        move_on(stage, worker, answer)


def states(places) -> list[str]:
    return sorted(state for state, _ in places.values())


# Row 41: a capture commits while a turn is finding its lane empty, in every order. No sweep helps here: hints alone.


@pytest.mark.parametrize("events", [0, 1], ids=["an idle lane", "a lane that sends"])
@pytest.mark.parametrize("at_once", [True, *slowly(False)], ids=["hint taken at once", "hint taken after"])
def test_capture_at_any_moment_of_a_turn_is_sent_without_the_sweep(held, events, at_once):
    for stage, worker in each_moment(held, events=events):
        stage.capture(stage.sources[0], 1)
        held.answer_by_itself()
        if at_once:
            follow_hints(stage)
        worker.run_to_its_end()
        worker.join()
        assert eventually(partial(everything_accepted_by_hints, stage), seconds=5)


def follow_hints(stage: Stage) -> None:
    for source_ids in hints("us"):
        ask(lambda redis: redis.rpop("us"))
        follower = Actor("follower", partial(take_turn, source_ids))
        follower.run_to_its_end()
        follower.join()


def everything_accepted_by_hints(stage: Stage) -> bool:
    follow_hints(stage)
    return set(states(stage.ledger.check_places())) == {"accepted"}


# Rows 23, 24, 25 and 26: the customer acts while a turn is under way.


@pytest.mark.parametrize("answer", ["200", "401"])
def test_key_replaced_at_any_moment_of_a_turn_is_used_from_then_on(held, answer):
    """Whatever Segment says to the old key by then: the rest is sent with the new one, and nothing is held."""
    for stage, worker in each_moment(held):
        stage.change(stage.sources[0], DEEDS["replace key"])
        while worker.place != Place.OVER:
            old = [request for request in stage.held_by(worker) if request.key == WRITE_KEY]
            move_on(stage, worker, answer if old else "200")
        assert not Lane.objects.filter(pk=stage.sources[0].pk).exclude(hold="").exists()
        assert states(stage.finish()) == ["accepted"]


@pytest.mark.parametrize("answer", ["reset", *slowly("200", "429", "503")])
@pytest.mark.parametrize("lanes", [1, 2])
def test_region_switched_at_any_moment_of_a_turn_leaves_no_doubt_in_two_regions(held, answer, lanes):
    """The ledger checks: no attempt to the old region after the switch, none to the new one of what that may have."""
    for stage, worker in each_moment(held, lanes=lanes):
        stage.change(stage.sources[0], DEEDS["switch region"])
        in_flight = bool(stage.held_by(worker))
        to_its_end(stage, worker, answer)
        in_doubt = in_flight and answer in {"503", "reset"}
        places = stage.finish()
        assert states(places) == (["set_aside"] if in_doubt else ["accepted"])
        if in_doubt:
            assert "The region was switched" in next(iter(places.values()))[1]


@pytest.mark.parametrize("deed", ["pause", *slowly("disconnect")])
@pytest.mark.parametrize("answer", ["503", *slowly("200", "401")])
@pytest.mark.parametrize("lanes", [1, 2])
def test_source_stopped_at_any_moment_of_a_turn_begins_no_attempt(held, deed, answer, lanes):
    for stage, worker in each_moment(held, lanes=lanes):
        stage.change(stage.sources[0], DEEDS[deed])
        before = len(stage.ledger.attempts())
        to_its_end(stage, worker, answer)
        to_its_end(stage, stage.start(stage.sources))
        assert len(stage.ledger.attempts()) == before
        stage.make_it_send(stage.sources[0])
        assert states(stage.finish()) == ["accepted"]


# Rows 1, 2, 34 and 42: a worker dies, or is so slow that its lane goes to another.


@pytest.mark.parametrize("taken_in", [True, *slowly(False)])
def test_worker_killed_at_any_moment_loses_nothing(held, taken_in):
    for stage, worker in each_moment(held, events=2):
        unrecorded = [attempt.outcome for attempt in stage.ledger.attempts() if attempt.finished_at is None]
        stage.kill(worker, taken_in=taken_in)
        stage.end_lease(stage.sources[0])
        to_its_end(stage, stage.start(stage.sources[:1]))
        assert states(stage.finish()) == ["accepted"] * 2
        assert [attempt.outcome for attempt in stage.ledger.attempts()] == [*unrecorded, "accepted"]


@pytest.mark.parametrize("answer", ["200", *slowly("400", "401", "429", "501", "503", "reset")])
def test_answer_that_comes_at_any_moment_of_the_next_workers_turn_harms_nothing(held, answer):
    """Its lease ran out while its request was held. Another took over, and is stopped at each of its transactions."""
    for moment in range(40):
        with stage_of(held) as stage:
            late = late_worker(stage)
            stage.end_lease(stage.sources[0])
            other = stage.start(stage.sources[:1])
            for _ in range(moment):
                move_on(stage, other, "200")
            over = other.place == Place.OVER
            to_its_end(stage, late, answer)
            to_its_end(stage, other)
            # As long as nobody has tried again, a 501 is the last word about the batch.
            assert set(states(stage.finish())) <= {"accepted", "set_aside" if answer == "501" else "accepted"}
            if over:
                return


def late_worker(stage: Stage) -> Actor:
    """With a request of two events in flight, and a key that Segment has accepted before."""
    Lane.objects.update(accepted_version=stage.sources[0].version)
    stage.capture(stage.sources[0], 2)
    worker = stage.start(stage.sources[:1])
    while not stage.held_by(worker):
        stage.step(worker)
    return worker


def test_acceptance_that_comes_late_ends_the_next_try_before_it_begins(held):
    """The other worker has the batch in hand and has not begun its attempt: it must not begin it any more."""
    with stage_of(held) as stage:
        late = late_worker(stage)
        stage.end_lease(stage.sources[0])
        other = stage.start(stage.sources[:1])
        to_its_end(stage, late)
        to_its_end(stage, other)
        assert len(held.requests) == 1
        assert states(stage.finish()) == ["accepted"] * 2


def test_two_turns_in_any_order_send_each_event_once(held):
    """One stops at each of its transactions while the other runs to its end, on two lanes in opposite order."""
    for stage, worker in each_moment(held, events=2):
        stage.capture(stage.sources[1], 1)
        to_its_end(stage, stage.start(stage.sources[::-1]))
        to_its_end(stage, worker)
        assert states(stage.finish()) == ["accepted"] * 3
        assert len(held.requests) == 2


# A request that outlives its turn: its own thread records the answer.


@pytest.mark.parametrize("deed", ["nothing", *DEEDS])
@pytest.mark.parametrize("answer", ["200", "401", "503"])
def test_answer_after_its_turn_has_left_is_recorded_under_any_change(held, monkeypatch, deed, answer):
    monkeypatch.setattr(turn, "LINGER_SECONDS", 0)
    with stage_of(held) as stage:
        source = stage.sources[0]
        stage.capture(source, 1)
        worker = stage.start([source])
        worker.run_to_its_end()
        worker.join()
        request = held.next()
        stage.ledger.new_attempts()
        if deed in DEEDS:
            stage.change(source, DEEDS[deed])
        request.decide(answer)
        eventually(lambda: Lane.objects.get(pk=source.pk).lease_token is None)
        if deed == "pause":
            stage.change(source, resume_source)
        in_doubt = deed == "switch region" and answer == "503"
        monkeypatch.setattr(turn, "LINGER_SECONDS", HOLDING_SECONDS)
        assert states(stage.finish()) == (["set_aside"] if in_doubt else ["accepted"])


# Replays among late answers.


def test_late_200_of_a_batch_that_was_replayed_meanwhile_ends_the_replay(held):
    with stage_of(held) as stage:
        late = given_up_behind(stage)
        stage.replay_what_was_given_up(stage.sources[0])
        to_its_end(stage, late)
        assert len(held.requests) == 2
        assert states(stage.finish()) == ["accepted"] * 2
        assert len(held.requests) == 2, "What was known to be accepted was sent again."


def given_up_behind(stage: Stage) -> Actor:
    """The batch of a worker that is late was sent again by another, and set aside at its answer."""
    late = late_worker(stage)
    stage.end_lease(stage.sources[0])
    to_its_end(stage, stage.start(stage.sources[:1]), "501")
    assert Batch.objects.get(source=stage.sources[0]).state == BatchState.SET_ASIDE
    stage.end_waits()
    return late


def test_late_200_of_a_batch_that_was_set_aside_counts(held):
    with stage_of(held) as stage:
        to_its_end(stage, given_up_behind(stage))
        assert states(stage.ledger.check_places()) == ["accepted"] * 2
        assert states(stage.finish()) == ["accepted"] * 2


def test_late_200_while_a_replay_is_in_flight_is_not_followed_by_another_try(held):
    with stage_of(held) as stage:
        late = given_up_behind(stage)
        stage.replay_what_was_given_up(stage.sources[0])
        again = stage.start(stage.sources[:1])
        while not stage.held_by(again):
            stage.step(again)
        to_its_end(stage, late)
        to_its_end(stage, again, "503")
        assert states(stage.finish()) == ["accepted"] * 2
        assert len(held.requests) == 3


def test_late_200_speaks_for_a_replay_of_a_replay_and_for_no_other_events(held):
    with stage_of(held) as stage:
        late = given_up_behind(stage)
        stage.capture(stage.sources[0], 1)
        for _ in range(2):
            to_its_end(stage, stage.start(stage.sources[:1]), "501")
            stage.end_waits()
            stage.replay_what_was_given_up(stage.sources[0])
        to_its_end(stage, late)
        assert states(stage.ledger.check_places()) == ["accepted", "accepted", "open"]
        assert states(stage.finish()) == ["accepted"] * 3


def test_answer_that_is_due_no_more_lets_replays_share_a_request(held):
    with stage_of(held) as stage:
        for _ in range(2):
            stage.capture(stage.sources[0], 1)
            to_its_end(stage, stage.start(stage.sources[:1]), "501")
            stage.end_waits()
        stage.replay_what_was_given_up(stage.sources[0])
        assert states(stage.finish()) == ["accepted"] * 2
        assert [len(request.message_ids) for request in held.requests] == [1, 1, 2]


def test_replay_goes_before_what_is_captured_after_it(held):
    with stage_of(held) as stage:
        source = stage.sources[0]
        stage.capture(source, 20, letters=30_000)
        for _ in range(2):
            to_its_end(stage, stage.start([source]), "501")
            stage.end_waits()
        stage.replay_what_was_given_up(source)
        stage.capture(source, 1)
        assert states(stage.finish()) == ["accepted"] * 21
        assert [len(request.message_ids) for request in held.requests[2:]] == [16, 4, 1]


# What a resend and a wait for a permit are made of.


def test_resend_has_the_same_message_ids_and_a_sent_at_of_its_own(held):
    """Segment shifts every timestamp by the distance of sentAt from its own clock: a stale one moves all events."""
    with stage_of(held) as stage:
        stage.capture(stage.sources[0], 2)
        to_its_end(stage, stage.start(stage.sources[:1]), "503")
        assert states(stage.finish()) == ["accepted"] * 2
        first, second = held.requests
        assert first.message_ids == second.message_ids
        assert (first.number, second.number) == (1, 2)
        assert first.sent_at < second.sent_at


def test_turn_yields_when_the_next_permit_is_far_off(held, monkeypatch):
    """It gives the lane back with a time to wait until, and has begun no attempt."""
    monkeypatch.setattr(limiter, "INTERVAL", 60_000_000)
    # The first permit is kept however long its turn is stopped: there is no other within a minute.
    monkeypatch.setattr(limiter, "LATE_SECONDS", 60)
    with stage_of(held) as stage:
        source = stage.sources[0]
        for _ in range(2):
            stage.capture(source, 1)
            to_its_end(stage, stage.start([source]))
        lane = Lane.objects.get(pk=source.pk)
        assert (len(held.requests), len(stage.ledger.attempts()), lane.lease_token) == (1, 1, None)
        wait = sure(lane.not_before) - database_now()
        assert timedelta(seconds=30) < wait <= timedelta(seconds=60)
