"""The resolver of the system is replaced: that it hangs, or knows several addresses, cannot be had from a real one."""

import socket
import threading

import pytest

from delivery import resolver
from tests.delivery.steps import Gate, in_thread
from tests.waiting import eventually

HOST = "segment.test"
REAL = socket.getaddrinfo


class Question(Gate):
    """`asked` has those that came."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []


@pytest.fixture
def gate(monkeypatch):
    """The resolver waits here for whoever asks for the host."""
    gate = Question()

    def ask(host, *args, **kwargs):
        if host != HOST:
            return REAL(host, *args, **kwargs)
        gate.asked.append(host)
        gate.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{len(gate.asked)}", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield gate
    gate.open()
    assert eventually(lambda: not lookups())


def lookups():
    return [thread for thread in threading.enumerate() if thread.name == f"lookup of {HOST}"]


def test_addresses_are_each_told_once():
    assert resolver.addresses("127.0.0.1", 20) == ["127.0.0.1"]
    assert sorted(set(resolver.addresses("localhost", 20))) == sorted(resolver.addresses("localhost", 20))


def test_host_that_is_not_found_is_an_error_each_time():
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            resolver.addresses("segment.invalid", 20)


def test_resolver_that_hangs_is_left_and_holds_one_thread_that_keeps_no_process(gate):
    for _ in range(3):
        with pytest.raises(TimeoutError):
            resolver.addresses(HOST, 0.05)
    assert gate.asked == [HOST]
    assert [thread.daemon for thread in lookups()] == [True]


def test_lookup_goes_on_when_some_have_left_and_the_next_asks_anew(gate):
    waiting = in_thread(lambda: resolver.addresses(HOST, 20))
    gate.reached()
    with pytest.raises(TimeoutError):
        resolver.addresses(HOST, 0.05)
    gate.open()
    assert waiting.result(20) == ["127.0.0.1"]
    assert resolver.addresses(HOST, 20) == ["127.0.0.2"]
