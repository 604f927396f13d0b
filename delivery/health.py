"""Whether this process can serve: for a load balancer, an orchestrator, or whoever looks."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from delivery.errors import RedisUnavailableError
from delivery.redis_link import ask


@dataclass(frozen=True, slots=True)
class Readiness:
    """`problems` has a sentence for each server that something is wrong with."""

    ready: bool
    problems: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        status = ("degraded" if self.problems else "ready") if self.ready else "unavailable"
        return {"status": status, "problems": self.problems}


def readiness() -> Readiness:
    """Redis may be away: captures and sending go on without it, slower."""
    database, redis = _database_problem(), _redis_problem()
    problems = {"database": database, "redis": redis}
    return Readiness(not database, {server: problem for server, problem in problems.items() if problem})


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


def _redis_problem() -> str:
    try:
        ask(lambda redis: redis.ping())
    except RedisUnavailableError:
        return "Redis does not answer: events are sent a second later, and at a smaller share of the rate."
    return ""
