"""Doing two things at once, in an order that a test decides."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connections

from tenants.scoping import every_tenant

T = TypeVar("T")


def in_thread(run: Callable[[], Any]) -> "Future[Any]":
    """Run it in a thread with a connection of its own, which is closed after."""
    pool = ThreadPoolExecutor(1)

    def closing() -> Any:
        try:
            with every_tenant():
                return run()
        finally:
            connections.close_all()

    future = pool.submit(closing)
    pool.shutdown(wait=False)
    return future


class Gate:
    """A place where a thread waits until the test lets it go on, so many seconds at most."""

    def __init__(self, seconds: float = 20) -> None:
        self._reached, self._open = threading.Event(), threading.Event()
        self._seconds = seconds

    def wait(self) -> None:
        self._reached.set()
        assert self._open.wait(self._seconds), "Nobody opened the gate."

    def reached(self) -> None:
        assert self._reached.wait(20), "Nobody came to the gate."

    def open(self) -> None:
        self._open.set()


def sure(value: T | None) -> T:
    """The value, which must be there."""
    assert value is not None
    return value
