"""Whether this process can serve: for a load balancer, an orchestrator, or whoever looks."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from delivery.breaker import breakers
from delivery.errors import RedisUnavailableError
from delivery.heartbeat import LATE_SECONDS, sweep_age
from delivery.partitions import place
from delivery.redis_link import ask


@dataclass(frozen=True, slots=True)
class Readiness:
    """`problems` has a sentence for each server that something is wrong with, for the sweep, and for regions."""

    ready: bool
    problems: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        status = ("degraded" if self.problems else "ready") if self.ready else "unavailable"
        return {"status": status, "problems": self.problems}


def readiness() -> Readiness:
    """Redis may be away: captures and sending go on without it, slower."""
    database = _database_problem()
    problems = {"database": database, "log": "" if database else _log_problem(), **engine_problems()}
    return Readiness(not database, {what: problem for what, problem in problems.items() if problem})


def engine_problems() -> dict[str, str]:
    """What keeps events from being sent as fast as they could, by what Redis knows."""
    if problem := _redis_problem():
        return {"redis": problem}
    sweep = {"sweep": problem} if (problem := _sweep_problem()) else {}
    return sweep | {
        f"region {region}": NO_ANSWERS.format(sources=breaker.failing)
        for region, breaker in breakers().items()
        if breaker.is_open
    }


NO_ANSWERS: Final = (
    "Segment answers nobody: {sources} sources failed and none succeeded since. One request at a time is tried, and "
    "events wait."
)
NO_ROOM: Final = (
    "The log has room for {room:,} more events, and nobody makes partitions: is beat running? `manage.py partitions` "
    "makes some."
)
NO_SWEEP: Final = "{since} Captures are sent, retries are not: start a beat, and a worker that takes the queue 'sweep'."


def _database_problem() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _check_migrations()
    except _NotMigratedError:
        return "The database is behind the program: run manage.py migrate."
    except (InterfaceError, OperationalError):
        return "The database does not answer."
    return ""


class _NotMigratedError(Exception):
    pass


@cache
def _check_migrations() -> None:
    """Raises _NotMigratedError. Looked at until it is so, and not again: this program's migrations stay applied."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise _NotMigratedError


def _log_problem() -> str:
    here = place()
    return NO_ROOM.format(room=here.ahead) if here.short else ""


def _redis_problem() -> str:
    try:
        ask(lambda redis: redis.ping())
    except RedisUnavailableError:
        return "Redis does not answer: events are sent a second later, and at a smaller share of the rate."
    return ""


def _sweep_problem() -> str:
    try:
        age = sweep_age()
    except RedisUnavailableError:
        return ""  # it went away between two questions, and is told of next time
    if age <= LATE_SECONDS:
        return ""
    return NO_SWEEP.format(since="No sweep is known of." if math.isinf(age) else f"No sweep for {age:.0f} s.")
