"""One drill's world: customers with sources, a capturing process, workers as `make run` starts them, and what it shows.

It looks into the database with plain SQL and knows nothing of the engine's code: it judges it.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import redis

from config import programs
from config.embedded import processes
from delivery.limiter import SINCE
from tests.drills.servers import ROOT, Servers
from tests.segment_fixture import SegmentStandIn
from tests.waiting import eventually


@dataclass
class Customer:
    """A tenant with one source, and the ids of the events that its captures gave back."""

    tenant_id: int
    source_id: int
    region: str
    key: str
    told: set[int] = field(default_factory=set)
    old_keys: list[str] = field(default_factory=list)


class HandsError(Exception):
    """The command raised; the message is the error's kind."""


class Hands:
    """A running tests/drills/hands.py."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.seconds = 0.0
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.drills.hands"], env=environment, cwd=ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self.hear()

    def __call__(self, *command: Any) -> Any:
        self.say(json.dumps(command))
        return self.hear()

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """The next answer's result; `seconds` is how long the command took."""
        assert self.process.stdout
        answer = json.loads(self.process.stdout.readline())
        self.seconds = answer.get("seconds", 0.0)
        if "error" in answer:
            raise HandsError(answer["error"])
        return answer.get("result")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Worker:
    """A worker or beat of its own, with its log."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = processes.spawn(
                command, when_orphaned=signal.SIGKILL, output=output, cwd=ROOT, env=environment, own_group=True
            )

    def ready(self, word: str = " ready.") -> None:
        """Wait until the log says so."""
        assert eventually(lambda: word in self.log.read_text(), seconds=60), self.log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM, as a deployment sends it; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class World:
    def __init__(self, servers: Servers, segment: SegmentStandIn, logs: Path) -> None:
        self.servers = servers
        self.segment = segment
        self.logs = logs
        self.customers: list[Customer] = []
        self._hands: list[Hands] = []
        self._workers: list[Worker] = []
        self._kept = 0
        self._started = 0

    def environment(self, **changes: str) -> dict[str, str]:
        segment = {"SEGMENT_US_URL": self.segment.us_url, "SEGMENT_EU_URL": self.segment.eu_url}
        fixed = {"WORKER_PROCESSES": "1", "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **self.servers.environment, **segment, **fixed, **changes}

    # Processes.

    def new_hands(self, **changes: str) -> Hands:
        self._started += 1
        self._hands.append(Hands(self.environment(**changes), self.logs / f"hands-{self._started}.log"))
        return self._hands[-1]

    @property
    def hands(self) -> Hands:
        """The capturing process; another one after it was killed."""
        if self._hands and self._hands[0].process.poll() is not None:
            self._hands.pop(0).close()
        return self._hands[0] if self._hands else self.new_hands()

    def worker(self, **changes: str) -> Worker:
        return self._start(programs.worker(self.logs).command, "worker", changes)

    def beat(self) -> Worker:
        return self._start(programs.beat(self.logs).command, "beat", {})

    def _start(self, command: Sequence[str], name: str, changes: dict[str, str]) -> Worker:
        self._started += 1
        log = self.logs / f"{name}-{self._started}.log"
        self._workers.append(Worker(command, self.environment(**changes), log))
        return self._workers[-1]

    def begin(self) -> None:
        """A new drill: nobody of the last one has anything to send, and what runs now is kept at the end."""
        self.customers = []
        self.segment.reset()
        self.broker.flushall()
        self.broker.set(SINCE, 1)  # it has been at work for long: see tests/emptying.py
        self._kept = len(self._workers)

    def manage(self, *arguments: str) -> str:
        """What a management command prints."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def end(self) -> None:
        """After a drill, whatever came of it."""
        for worker in self._workers[self._kept :]:
            worker.kill()
        for hands in self._hands[1:]:
            hands.close()
        del self._workers[self._kept :], self._hands[1:]
        self.servers.recover()
        self.rows("UPDATE integrations_source SET state = 'paused' WHERE state = 'connected'")

    def close(self) -> None:
        self._kept = 0
        self.end()
        for hands in self._hands:
            hands.close()

    # Customers.

    def customer(self, region: str = "us", key: str | None = None) -> Customer:
        key = key or secrets.token_hex(16)
        tenant_id, source_id = self.hands("connect", f"t-{secrets.token_hex(4)}", region, key)
        self.customers.append(Customer(tenant_id, source_id, region, key))
        return self.customers[-1]

    def crowd(self, count: int, region: str = "us") -> list[Customer]:
        """Tenants that all have the same key, each with one event waiting."""
        key = secrets.token_hex(16)
        made = self.hands("connect_many", f"t-{secrets.token_hex(4)}", region, key, count)
        customers = [Customer(tenant_id, source_id, region, key) for tenant_id, source_id in made]
        self.customers += customers
        return customers

    def capture(self, customer: Customer, count: int = 1, *, filler: str = "", hands: Hands | None = None) -> None:
        names = [f"Step {number} Done" for number in range(count)]
        customer.told |= set((hands or self.hands)("capture", customer.tenant_id, names, filler))

    # What there is.

    def rows(self, query: str, *values: Any, **named: Any) -> list[Any]:
        with psycopg.connect(self.servers.postgres.url, autocommit=True) as connection:
            cursor = connection.execute(query, named or values)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: str, *values: Any) -> Any:
        (row,) = self.rows(query, *values)
        return row[0]

    def waiting(self, customer: Customer) -> int:
        """Events neither accepted nor put away."""
        return int(
            self.one(
                "SELECT (SELECT count(*) FROM delivery_pending WHERE source_id = %s)"
                " + (SELECT coalesce(sum(event_count), 0) FROM delivery_batch WHERE source_id = %s AND state = 'open')",
                customer.source_id,
                customer.source_id,
            )
        )

    def drained(self, *customers: Customer, seconds: float = 60) -> None:
        """Wait until nothing of theirs waits."""
        for customer in customers:
            assert eventually(partial(self.waiting, customer), lambda left: left == 0, seconds) == 0

    def attempts(self, customer: Customer) -> list[tuple[str, bool]]:
        """Outcome and ambiguity of each request, oldest first."""
        return self.rows(
            "SELECT outcome, ambiguous FROM delivery_attempt WHERE source_id = %s ORDER BY id", customer.source_id
        )

    def outcomes(self, customer: Customer) -> list[str]:
        return [outcome for outcome, _ in self.attempts(customer)]

    def ended(self, customer: Customer, count: int = 1, seconds: float = 40) -> None:
        """Wait until the ends of so many requests are recorded."""
        ends = eventually(
            lambda: Counter(self.outcomes(customer)), lambda all_: all_.total() - all_["unknown"] >= count, seconds
        )
        assert ends.total() - ends["unknown"] >= count

    def batches(self, customer: Customer) -> list[tuple[str, int]]:
        """State and size of each batch, sorted."""
        query = "SELECT state, event_count FROM delivery_batch WHERE source_id = %s ORDER BY 1, 2"
        return self.rows(query, customer.source_id)

    def reasons(self, customer: Customer) -> list[str]:
        """Why batches are put away, in the words that the customer reads."""
        query = "SELECT DISTINCT reason FROM delivery_batch WHERE source_id = %s AND reason <> '' ORDER BY 1"
        return [reason for (reason,) in self.rows(query, customer.source_id)]

    def hold(self, customer: Customer) -> tuple[str, str]:
        """The lane's hold and its words for the customer."""
        query = "SELECT hold, hold_reason FROM delivery_lane WHERE source_id = %s"
        ((hold, reason),) = self.rows(query, customer.source_id)
        return hold, reason

    def held(self, customer: Customer, hold: str) -> None:
        assert eventually(lambda: self.hold(customer), lambda held: held[0] == hold)[0] == hold
        assert self.hold(customer)[1]

    def told(self, customer: Customer, kind: str) -> None:
        """Wait until there is something to tell the customer's members. Beat has it looked for twice a minute."""
        self.hands("task", "delivery.tasks.keep_alerts")
        query = "SELECT kind, reason <> '' FROM delivery_incident WHERE source_id = %s AND closed_at IS NULL"
        told = [(kind, True)]
        assert eventually(lambda: self.rows(query, customer.source_id), lambda found: found == told) == told

    def requests(self, customer: Customer) -> list[dict[str, Any]]:
        """The requests with this customer's key that came to its region, oldest first."""
        masked = f"…{customer.key[-4:]}"
        return [line for line in self.segment.requests() if (line["region"], line["key"]) == (customer.region, masked)]

    def at_rest(self, customer: Customer) -> None:
        """Wait until no hint is left and nobody works on the lane."""
        self.all_tasks_taken()
        query = "SELECT leased_until FROM delivery_lane WHERE source_id = %s"
        assert eventually(lambda: self.one(query, customer.source_id), lambda until: until is None) is None

    def all_tasks_taken(self) -> None:
        """Wait until no hint is left in a queue."""
        assert eventually(lambda: self.broker.llen("us") + self.broker.llen("eu"), lambda left: left == 0) == 0

    @property
    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.servers.valkey.url)

    def requested(self, customer: Customer, count: int = 1, seconds: float = 60) -> None:
        """Wait until so many requests have come."""
        assert len(eventually(lambda: self.requests(customer), lambda lines: len(lines) >= count, seconds)) >= count

    # Time.

    def let_pass(self, seconds: float, *customers: Customer) -> None:
        """Simulated: put all times of these customers' delivery back, as if so long had passed since."""
        ids = [customer.source_id for customer in customers]
        for table, source, columns in TIMES:
            sets = ", ".join(f"{column} = {column} - make_interval(secs => %(seconds)s)" for column in columns)
            self.rows(f"UPDATE {table} SET {sets} WHERE {source}", seconds=seconds, ids=ids)

    def wake(self, customer: Customer) -> None:
        self.hands("hint", [customer.source_id], customer.region)


OWN = "source_id = ANY(%(ids)s)"
TIMES = [
    ("delivery_lane", OWN, ["leased_until", "not_before", "mark_reset_at", "held_at", "last_accepted_at"]),
    (
        "delivery_batch",
        OWN,
        ["not_before", "failing_since", "first_ambiguous_at", "waiting_since", "created_at", "closed_at"],
    ),
    ("delivery_attempt", OWN, ["started_at", "finished_at"]),
    ("delivery_ratehold", "%(ids)s IS NOT NULL", ["until"]),
]
