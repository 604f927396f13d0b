"""The database's time. Every worker measures leases and waits with it, so that no machine's own clock matters."""

import time
from datetime import UTC, datetime

from django.db import connection
from django.db.models import DateTimeField, Func


class ClockTimestamp(Func):
    """`clock_timestamp()`: the time now, not that of the transaction's start."""

    function = "clock_timestamp"
    output_field = DateTimeField()


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


class Ahead:
    """By how many seconds the database's clock is ahead of this process' monotonic one, as last learned."""

    seconds: float | None = None


def learn(moment: datetime) -> None:
    """`moment` is what the database's clock said just now, in a statement that was made anyway."""
    Ahead.seconds = moment.timestamp() - time.monotonic()


def estimated_now() -> datetime:
    """The database's time without asking it: a few milliseconds off. The machine's own until something was learned."""
    if Ahead.seconds is None:
        return datetime.now(UTC)
    return datetime.fromtimestamp(time.monotonic() + Ahead.seconds, UTC)
