"""Workers that go one transaction at a time.

An actor is a thread with a connection of its own that runs the engine as it is. Django tells a wrapper of each
statement before it is executed; when no transaction is open at that moment, one begins here, and the actor waits until
the test lets it go on. So it never waits with a lock in its hands, and a transaction is one step.
"""

import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

from django.db import connection, connections
from psycopg.pq import TransactionStatus

STUCK_SECONDS: Final = 20
QUIET_SECONDS: Final = 0.04
"""So long an actor whose request is held must have done nothing to count as waiting for the answer."""


class DiedError(Exception):
    """The process that this thread stands for is gone: no statement of its reaches the database any more."""


class Place(Enum):
    RUNNING = auto()
    AT_A_GATE = auto()
    OVER = auto()


class Actor:
    def __init__(self, name: str, work: Callable[[], Any]) -> None:
        self.name = name
        self.place = Place.RUNNING
        self.error: BaseException | None = None
        self._work = work
        self._moved = threading.Condition()
        self._permits = 0
        self._free = False
        self._dead = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<{self.name}: {self.place.name}>"

    def go(self, waiting: Callable[[], bool] = bool) -> None:
        """Let it through its gate, and wait until it is at the next, or over, or `waiting` for somebody else."""
        with self._moved:
            assert self.place == Place.AT_A_GATE, self
            self.place = Place.RUNNING
            self._permits = 1
            self._moved.notify_all()
        self.come_to_rest(waiting)

    def come_to_rest(self, waiting: Callable[[], bool] = bool) -> None:
        quiet_since = ends = time.monotonic()
        ends += STUCK_SECONDS
        while self.place == Place.RUNNING:
            with self._moved:
                self._moved.wait(0.005)
            now = time.monotonic()
            assert now < ends, f"{self.name} neither goes on nor waits for anybody."
            quiet_since = quiet_since if waiting() else now
            if now - quiet_since > QUIET_SECONDS:
                return

    def die(self) -> None:
        """From now on nothing of its reaches the database. What it waits for must be ended by the test."""
        with self._moved:
            self._dead = self._free = True
            self._moved.notify_all()

    def run_to_its_end(self) -> None:
        """Without any more gates. What it waits for must be answered by the test."""
        with self._moved:
            self._free = True
            self._moved.notify_all()

    def join(self) -> None:
        self._thread.join(STUCK_SECONDS)
        assert self.place == Place.OVER, f"{self.name} does not end."
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with connection.execute_wrapper(self._before):
                self._work()
        except DiedError:
            pass
        except BaseException as error:  # noqa: BLE001  # join() raises it, in the test's own thread
            self.error = error
        finally:
            connections.close_all()
            self._arrive(Place.OVER)

    def _before(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if context["connection"].connection.info.transaction_status == TransactionStatus.IDLE:
            self._wait_at_gate()
        if self._dead:
            raise DiedError
        return execute(sql, params, many, context)

    def _wait_at_gate(self) -> None:
        with self._moved:
            if self._free:
                return
            self.place = Place.AT_A_GATE
            self._moved.notify_all()
            self._moved.wait_for(lambda: self._permits or self._free)
            self._permits = 0
            self.place = Place.RUNNING

    def _arrive(self, place: Place) -> None:
        with self._moved:
            self.place = place
            self._moved.notify_all()
