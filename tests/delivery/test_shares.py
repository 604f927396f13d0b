import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from celery.signals import task_postrun, task_prerun, worker_shutting_down

from delivery import shares
from delivery.senders import THREADS, senders
from delivery.shares import Share, count_slots, take_turn_of
from delivery.wake import LANES_PER_TURN
from integrations.enums import Region
from tests.delivery.hinting import hints


class Worker:
    concurrency = 4


@pytest.fixture(autouse=True)
def three_slots(monkeypatch):
    monkeypatch.setattr(shares._Slots, "of_region", 6)  # noqa: SLF001  # put back after what the worker's signal sets
    count_slots(Worker())


def begin_turn(share, number):
    """A turn that has begun, of one lane."""
    share.park([number])
    lanes = share.take()
    assert share.begun(lanes) == []
    return lanes


@contextmanager
def at_work(tasks):
    """As the worker's signals tell of them."""
    for _ in range(tasks):
        task_prerun.send(sender=None)
    yield
    for _ in range(tasks):
        task_postrun.send(sender=None)


def test_share_is_three_quarters_of_the_slots():
    share = Share()
    assert [begin_turn(share, number) for number in range(3)] == [[0], [1], [2]]
    share.park([3])
    assert share.take() == []


def test_share_gives_parked_lanes_back_once_each_and_as_many_as_a_turn_takes():
    share = Share()
    turns = [begin_turn(share, 0) for _ in range(3)]
    share.park(range(60))
    share.park(range(60))
    assert share.take() == []
    assert share.give_back(turns[0]) == list(range(LANES_PER_TURN))
    assert share.give_back(turns[1]) == list(range(LANES_PER_TURN, 60))
    assert share.give_back(turns[2]) == []


def test_turns_may_go_on_until_the_last_slot_is_taken(monkeypatch):
    monkeypatch.setattr(shares, "_ending", threading.Event())
    share = Share()
    begin_turn(share, 0)
    begin_turn(share, 1)
    assert share.has_slots()
    begin_turn(share, 2)
    assert not share.has_slots()


def test_turns_end_when_the_slots_are_taken_by_anything_else(monkeypatch):
    """As by two turns of the other region and an export."""
    monkeypatch.setattr(shares, "_ending", threading.Event())
    share = Share()
    begin_turn(share, 0)
    with at_work(3):
        assert share.has_slots()
    with at_work(4):
        assert not share.has_slots()
    assert share.has_slots()


def test_turns_end_when_the_worker_is_told_to_stop(monkeypatch):
    monkeypatch.setattr(shares, "_ending", threading.Event())
    worker_shutting_down.send(sender="worker", sig="SIGTERM", how="Warm", exitcode=0)
    assert not Share().has_slots()


def test_hints_that_come_while_a_turn_begins_are_one_turn():
    share = Share()
    share.park([1])
    first = share.take()
    for number in range(2, 60):
        share.park([number])
        assert share.take() == []
    assert share.begun(first) == list(range(2, 2 + LANES_PER_TURN))
    assert share.begun(first) == []
    assert share.take() == list(range(2 + LANES_PER_TURN, 60))


def test_a_turn_that_ended_before_it_had_begun_keeps_nobody_waiting():
    share = Share()
    share.park([1])
    share.give_back(share.take())
    share.park([2])
    assert share.take() == [2]


def test_turns_over_the_share_come_again_when_one_ends(monkeypatch):
    monkeypatch.setattr(shares, "_SHARES", {"us": Share()})
    ends, started = threading.Event(), threading.Semaphore(0)

    def hang(_source_ids, begun, **_known):
        begun()
        started.release()
        ends.wait(20)

    monkeypatch.setattr(shares, "take_turn", hang)
    with ThreadPoolExecutor(3) as pool:
        for number in range(3):
            pool.submit(take_turn_of, "us", [number])
            assert started.acquire(timeout=20)
        take_turn_of("us", [7, 8])
        take_turn_of("us", [8, 9])
        assert hints("us") == []
        ends.set()
    assert hints("us") == [[7, 8, 9]]


def test_a_turn_is_not_taken_while_every_thread_of_its_region_is_at_work(monkeypatch):
    taken: list[list[int]] = []
    monkeypatch.setattr(shares, "_SHARES", {"us": Share(), "eu": Share()})
    monkeypatch.setattr(shares, "take_turn", lambda lanes, **_known: taken.append(lanes))
    reserved = [senders(Region.US).reserve() for _ in range(THREADS)]
    try:
        take_turn_of("us", [1])
        take_turn_of("eu", [2])
    finally:
        for _ in filter(None, reserved):
            senders(Region.US).give_back()
    take_turn_of("us", [3])
    take_turn_of("", [4])
    assert taken == [[2], [1, 3], [4]]
