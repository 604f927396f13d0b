import os
import subprocess
import sys
import threading

import pytest

from delivery import courier
from delivery.courier import Courier


class Road:
    """Where a courier goes: it can be blocked, and remembers who passed."""

    def __init__(self):
        self.passed = []
        self.free = threading.Event()
        self.free.set()
        self.reached = threading.Event()

    def __call__(self, source_ids, region):
        self.reached.set()
        assert self.free.wait(20)
        self.passed.append((region, list(source_ids)))


@pytest.fixture
def road():
    return Road()


def test_courier_carries_what_it_takes(road):
    one = Courier(road)
    one.take([1, 2], "us")
    assert one.is_done(10)
    assert road.passed == [("us", [1, 2])]


def test_courier_carries_nothing_when_nothing_was_taken(road):
    assert Courier(road).is_done(0)


def test_courier_never_waits_and_carries_together_what_came_meanwhile(road):
    one = Courier(road)
    road.free.clear()
    one.take([1], "us")
    assert road.reached.wait(20)
    for lane in (2, 3, 2):
        one.take([lane], "us")
    one.take([4], "eu")
    assert not one.is_done(0)
    road.free.set()
    assert one.is_done(10)
    assert road.passed == [("us", [1]), ("us", [2, 3]), ("eu", [4])]


def test_courier_keeps_no_more_than_its_room(road, monkeypatch):
    monkeypatch.setattr(courier, "MOST_WAITING", 3)
    one = Courier(road)
    road.free.clear()
    one.take([1], "us")
    assert road.reached.wait(20)
    one.take([2, 3], "us")
    one.take([4, 5], "us")
    one.take([6], "us")
    road.free.set()
    assert one.is_done(10)
    assert road.passed == [("us", [1]), ("us", [2, 3, 4])]


def test_courier_survives_what_fails_on_its_way(caplog):
    passed = []

    def carry(source_ids, region):
        if source_ids == [1]:
            raise KeyError("secret")
        passed.append(source_ids)

    one = Courier(carry)
    one.take([1], "us")
    assert one.is_done(10)
    one.take([2], "us")
    assert one.is_done(10)
    assert passed == [[2]]
    assert "Hints were not carried: KeyError at test_courier.py" in caplog.text
    assert "secret" not in caplog.text


def test_courier_starts_anew_in_a_forked_process(road):
    """Forked while the parent's thread is on its way: the child must not wait for a thread that it does not have."""
    one = Courier(road)
    road.free.clear()
    one.take([1], "us")
    assert road.reached.wait(20)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        road.free.set()
        one.take([2], "us")
        os.write(write, repr((one.is_done(10), road.passed)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    road.free.set()
    assert os.read(read, 100).decode() == "(True, [('us', [2])])"
    assert one.is_done(10)
    assert road.passed == [("us", [1])]


def test_courier_keeps_no_process_from_ending():
    program = "import time; from delivery.courier import Courier; Courier(lambda *_: time.sleep(600)).take([1], 'us')"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)  # our own program
