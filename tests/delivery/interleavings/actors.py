"""Workers that go one transaction at a time.

An actor is a thread with a connection of its own that runs the engine as it is. Django tells a wrapper of each
statement before it is executed; when no transaction is open at that moment, one begins here, and the actor waits until
the test lets it go on. So it never waits with a lock in its hands, and a transaction is one step.

Between two of them it may wait for the answer to a request as well: the queue of its turn's answers tells of that.
Nothing here depends on how quick the machine is.
"""

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from queue import Empty
from typing import Any, Final

from django.db import connection, connections
from psycopg.pq import TransactionStatus

STUCK_SECONDS: Final = 60


class DiedError(BaseException):
    """The process that this thread stands for is gone: no statement of its reaches the database any more.

    As with a kill, nothing in the engine catches it.
    """


class Place(Enum):
    RUNNING = auto()
    AT_A_GATE = auto()
    AWAITING_ANSWERS = auto()
    OVER = auto()


class Actor:
    """`answers` is how many answers its requests have got. `moved` locks that and `place`, and tells of each change."""

    def __init__(self, name: str, work: Callable[[], Any]) -> None:
        self.name = name
        self.place = Place.RUNNING
        self.answers = 0
        self.error: BaseException | None = None
        self._work = work
        self.moved = threading.Condition()
        self._permits = 0
        self._free = False
        self._dead = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<{self.name}: {self.place.name}>"

    def go(self) -> None:
        """Let it through its gate, and wait until it is at the next, or over, or waits for answers."""
        with self.moved:
            assert self.place == Place.AT_A_GATE, self
            self.place = Place.RUNNING
            self._permits = 1
            self.moved.notify_all()
        self.come_to_rest()

    def come_to_rest(self) -> None:
        with self.moved:
            rests = self.moved.wait_for(lambda: self.place != Place.RUNNING, STUCK_SECONDS)
        assert rests, f"{self.name} neither goes on nor waits for anybody."

    def hear(self, answers: int) -> None:
        """Wait until it has got so many answers, and has done what it does of itself about them."""
        with self.moved:
            came = self.moved.wait_for(lambda: self.answers >= answers, STUCK_SECONDS)
        assert came, f"{self.name} got no answer."
        self.come_to_rest()

    def die(self) -> None:
        """From now on nothing of its reaches the database. What it waits for must be ended by the test."""
        with self.moved:
            self._dead = self._free = True
            self.moved.notify_all()

    def run_to_its_end(self) -> None:
        """Without any more gates. What it waits for must be answered by the test."""
        with self.moved:
            self._free = True
            self.moved.notify_all()

    def join(self) -> None:
        self._thread.join(STUCK_SECONDS)
        assert self.place == Place.OVER, f"{self.name} does not end."
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        _here.actor = self
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
        with self.moved:
            if self._free:
                return
            self.place = Place.AT_A_GATE
            self.moved.notify_all()
            self.moved.wait_for(lambda: self._permits or self._free)
            self._permits = 0
            self.place = Place.RUNNING

    def _arrive(self, place: Place) -> None:
        with self.moved:
            self.place = place
            self.moved.notify_all()


_here = threading.local()


class Answers:
    """In the place of the SimpleQueue of a turn: it tells when the turn's actor waits for an answer, and when not."""

    def __init__(self) -> None:
        self._actor: Actor = _here.actor
        self._moved = self._actor.moved  # one lock for both: no moment lies between an answer and the place
        self._waiting: deque[Any] = deque()

    def put(self, answer: Any) -> None:
        with self._moved:
            self._waiting.append(answer)
            self._actor.answers += 1
            if self._actor.place == Place.AWAITING_ANSWERS:
                self._actor.place = Place.RUNNING
            self._moved.notify_all()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        with self._moved:
            if block and not self._waiting:
                self._actor.place = Place.AWAITING_ANSWERS
                self._moved.notify_all()
                self._moved.wait_for(lambda: self._waiting, timeout)
                self._actor.place = Place.RUNNING
            return self.get_nowait()

    def get_nowait(self) -> Any:
        if not self._waiting:
            raise Empty
        return self._waiting.popleft()


class OwnLock(threading.local):
    """In the place of a lock of the process: each actor stands for a process, whose locks end with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def acquire(self, *, blocking: bool) -> bool:
        return self._lock.acquire(blocking)

    def release(self) -> None:
        self._lock.release()
