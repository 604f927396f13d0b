import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from delivery import shares
from delivery.senders import THREADS, senders
from delivery.shares import Share, count_slots, take_turn_of
from delivery.wake import LANES_PER_TURN
from integrations.enums import Region
from tests.delivery.test_wake import hints


class Worker:
    concurrency = 4


@pytest.fixture(autouse=True)
def three_slots(monkeypatch):
    monkeypatch.setattr(shares._Slots, "of_region", 6)  # noqa: SLF001  # put back after what the worker's signal sets
    count_slots(Worker())


def test_share_is_three_quarters_of_the_slots():
    share = Share()
    assert [share.take([number]) for number in range(5)] == [True, True, True, False, False]


def test_share_gives_parked_lanes_back_once_each_and_as_many_as_a_turn_takes():
    share = Share()
    for _ in range(3):
        share.take([0])
    assert not share.take(range(60))
    assert not share.take(range(60))
    assert share.give_back() == list(range(LANES_PER_TURN))
    assert share.give_back() == list(range(LANES_PER_TURN, 60))
    assert share.give_back() == []


def test_turns_over_the_share_come_again_when_one_ends(monkeypatch):
    monkeypatch.setattr(shares, "_SHARES", {"us": Share()})
    ends, begun = threading.Event(), threading.Semaphore(0)

    def hang(_source_ids):
        begun.release()
        ends.wait(20)

    monkeypatch.setattr(shares, "take_turn", hang)
    with ThreadPoolExecutor(3) as pool:
        turns = [pool.submit(take_turn_of, "us", [number]) for number in range(3)]
        assert all(begun.acquire(timeout=20) for _ in turns)
        take_turn_of("us", [7, 8])
        take_turn_of("us", [8, 9])
        assert hints("us") == []
        ends.set()
    assert hints("us") == [[7, 8, 9]]


def test_a_turn_is_not_taken_while_every_thread_of_its_region_is_at_work(monkeypatch):
    taken: list[list[int]] = []
    monkeypatch.setattr(shares, "take_turn", taken.append)
    reserved = [senders(Region.US).reserve() for _ in range(THREADS)]
    try:
        take_turn_of("us", [1])
        take_turn_of("eu", [2])
    finally:
        for _ in filter(None, reserved):
            senders(Region.US).give_back()
    take_turn_of("us", [3])
    take_turn_of("", [4])
    assert taken == [[2], [3], [4]]
