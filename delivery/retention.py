"""What is old goes: partitions of events as a whole, the rest in chunks. docs/retention.md tells how long what is kept.

Each step is one short transaction and finds by itself where the last one left off, so a run may be killed, be late, or
meet another one.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import OperationalError, connection, transaction

from delivery import expiry
from delivery.clock import database_now
from delivery.models import EventPartition
from delivery.partitions import CATALOG, LOCK_TIMEOUT, keep_ahead, table_of, turn_page
from tenants.scoping import every_tenant

SECONDS: Final = 60.0
"""A run of beat's takes no longer, so that the sweep's workers are not kept; what is left is for the next hour."""
CHUNK: Final = 500
ROWS: Final = 5_000
VACUUM_TIMEOUT: Final = "3s"
"""PostgreSQL ends an autovacuum that somebody has waited for longer than its deadlock_timeout, a second."""
LOOK_TIMEOUT: Final = "1s"
"""All captures wait behind the last look before a drop, and it reads every batch that is not done with."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What a run did, or would do. `blocked`: partitions past their retention with events that are owed, or in use."""

    warnings: int = 0
    expired_events: int = 0
    partitions: int = 0
    blocked: int = 0
    batches: int = 0
    refusals: int = 0
    message_keys: int = 0
    rate_holds: int = 0
    replays: int = 0
    ended_warnings: int = 0


def run(*, seconds: float = SECONDS) -> Report:
    """Everything that is due, for so long at most."""
    until = time.monotonic() + seconds
    report = Report()
    with every_tenant():
        keep_ahead()
        turn_page(page_age())
        now = database_now()
        _warn(report, now)
        _expire(report, now, until)
        _drop_partitions(report, now)
        report.batches = _repeat(_delete_batches, now, until)
        for name, statement in OLD.items():
            setattr(report, name, _repeat(_deleting(statement), now, until))
    log.info("Retention: %s.", report)
    return report


def preview() -> Report:
    """What a run would do now, of batches and of what follows them with what the retention of events leaves them.

    In a transaction that PostgreSQL lets change nothing.
    """
    with every_tenant(), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        now = database_now()
        report = Report(warnings=len(expiry.unwarned(_end(now - _kept() + 2 * _gap()), now)))
        report.warnings += sum(left is not None for _, left in expiry.open_warnings(1, now - _gap()))
        end_id = _end(now - _kept())
        for warning, left in expiry.open_warnings(2, now - _gap()):
            report.expired_events += left.events if left and warning.before_id <= end_id else 0
        old = passed(now - _kept())
        report.blocked = sum(map(is_owed, old))
        report.partitions = len(old) - report.blocked
        with connection.cursor() as cursor:
            cursor.execute(COUNTS, _limits(now))
            for name, count in zip(COUNTED, cursor.fetchone(), strict=True):
                setattr(report, name, count)
    return report


def _limits(now: datetime) -> dict[str, datetime]:
    return {
        "batches": now - timedelta(days=settings.BATCH_RETENTION_DAYS),
        "refusals": now - timedelta(days=settings.REFUSAL_RETENTION_DAYS),
        "message_keys": now - timedelta(hours=settings.MESSAGE_KEY_HOURS),
        "rate_holds": now - timedelta(days=1),
        "replays": now - timedelta(days=settings.BATCH_RETENTION_DAYS),
        "ended_warnings": now - timedelta(days=settings.BATCH_RETENTION_DAYS),
    }


def page_age() -> timedelta:
    """How long one partition is in use at most: events stay up to a tenth longer than asked for."""
    return max(timedelta(days=1), timedelta(days=settings.EVENT_RETENTION_DAYS) / 10)


def _gap() -> timedelta:
    return timedelta(days=settings.RETENTION_WARNING_DAYS)


def _kept() -> timedelta:
    return timedelta(days=settings.EVENT_RETENTION_DAYS)


def passed(before: datetime) -> list[EventPartition]:
    """The partitions in which nothing was captured after that time, oldest first."""
    return list(EventPartition.objects.filter(passed_at__lte=before).order_by("first_id"))


def _end(before: datetime) -> int:
    return max((partition.end_id for partition in passed(before)), default=0)


def _warn(report: Report, now: datetime) -> None:
    """So early that both warnings, and days after each, fit into the retention."""
    for what in expiry.unwarned(_end(now - _kept() + 2 * _gap()), now):
        report.warnings += expiry.warn(what, 1, now + 2 * _gap())
    for first, left in expiry.open_warnings(1, now - _gap()):
        if left is None:
            expiry.end(first)
        else:
            report.warnings += expiry.warn(left, 2, now + _gap())


def _expire(report: Report, now: datetime, until: float) -> None:
    end_id = _end(now - _kept())
    for warning, left in expiry.open_warnings(2, now - _gap()):
        if left is not None and warning.before_id <= end_id:
            report.expired_events += expiry.expire(warning, until)
        if left is None or expiry.left_of(warning) is None:
            expiry.end(warning)


OWED: Final = """
SELECT EXISTS (
    SELECT 1 FROM integrations_source AS source WHERE (
        SELECT min(event_id) FROM delivery_pending
        WHERE source_id = source.id AND event_id >= %(first)s AND event_id < %(end)s
    ) IS NOT NULL
) OR EXISTS (
    SELECT 1 FROM (
        SELECT event_ids FROM delivery_batch WHERE state = 'open'
        UNION ALL SELECT event_ids FROM delivery_batch WHERE state IN ('set_aside', 'quarantined') AND NOT again
    ) AS batch WHERE event_ids[1] < %(end)s AND event_ids[cardinality(event_ids)] >= %(first)s
)
"""


def is_owed(partition: EventPartition) -> bool:
    """Whether an event of it is neither in a batch that is done with nor of a source that is gone."""
    with connection.cursor() as cursor:
        cursor.execute(OWED, {"first": partition.first_id, "end": partition.end_id})
        return bool(cursor.fetchone()[0])


def _drop_partitions(report: Report, now: datetime) -> None:
    for partition in passed(now - _kept()):
        if drop(partition):
            report.partitions += 1
        else:
            report.blocked += 1


def drop(partition: EventPartition) -> bool:
    """Drop it unless one of its events is owed, or somebody is at it: then it is tried again the next time.

    Looked at twice: cheaply first, then under a lock that nobody captures, cuts or replays beside, so that whatever
    made an event owed meanwhile is seen. Who captures waits for that look, for a second at most, and never for
    others who are in the way.
    """
    if is_owed(partition):
        return False
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            dropped = _drop(cursor, partition)
    except OperationalError:
        log.info("A partition past its retention is in use, or took too long to look through: dropped another time.")
        return False
    if dropped:
        log.info("Dropped the events from %d up to %d.", partition.first_id, partition.end_id)
    return dropped


def _drop(cursor: Any, partition: EventPartition) -> bool:
    table = table_of(partition.first_id)
    cursor.execute(f"SET LOCAL lock_timeout = '{VACUUM_TIMEOUT}'")
    # Of two drops the second waits here, and then finds nothing.
    if EventPartition.objects.select_for_update().filter(pk=partition.pk).first() is None:
        return False
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
    if cursor.fetchone()[0]:
        # Waits for an autovacuum, and lets no other begin: with the log in our hands we could not wait for it long
        # enough. Nobody who reads or captures waits for this lock, so it may come before the log's.
        cursor.execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        # The log before its partition, as everybody else.
        cursor.execute("LOCK TABLE ONLY delivery_event IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f"SET LOCAL statement_timeout = '{LOOK_TIMEOUT}'")
        if is_owed(partition):
            return False
        cursor.execute(f"DROP TABLE {table}")
    EventPartition.objects.filter(pk=partition.pk).delete()
    return True


OLD_BATCH: Final = f"""
closed_at < %(batches)s AND (again OR state NOT IN ('set_aside', 'quarantined'))
AND event_ids[cardinality(event_ids)] < (SELECT coalesce(min(first_id), 0) FROM ({CATALOG}) AS part)
"""  # noqa: S608  # only constants of ours are put in; values are parameters
OLD_REPLAY: Final = """
created_at < %(replays)s AND NOT EXISTS (SELECT FROM delivery_batch WHERE replay_id = delivery_replay.id)
"""
OLD_BATCHES: Final = f"""
SELECT id FROM delivery_batch WHERE id = ANY(ARRAY(
    SELECT id FROM (SELECT * FROM delivery_batch ORDER BY id LIMIT {ROWS}) AS oldest WHERE {OLD_BATCH}
)) ORDER BY id LIMIT {CHUNK} FOR UPDATE SKIP LOCKED
"""  # noqa: S608  # only constants of ours are put in; values are parameters
# Refusals and dedupe rows from the oldest on: ids follow the time, so that no index by time is needed. A replay stays
# with its batches: its page, and that a form sent twice acts once, need it as long.
OLD: Final = {
    "refusals": f"""
DELETE FROM delivery_refusal WHERE id = ANY(ARRAY(
    SELECT id FROM (SELECT * FROM delivery_refusal ORDER BY id LIMIT {ROWS}) AS oldest WHERE refused_at < %(refusals)s
))
""",  # noqa: S608  # only constants of ours are put in; values are parameters
    "message_keys": f"""
DELETE FROM delivery_messagekey WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM delivery_messagekey WHERE captured_at < %(message_keys)s ORDER BY captured_at LIMIT {ROWS}
))
""",  # noqa: S608  # only constants of ours are put in; values are parameters
    "rate_holds": "DELETE FROM delivery_ratehold WHERE until < %(rate_holds)s",
    "replays": f"DELETE FROM delivery_replay WHERE {OLD_REPLAY}",  # noqa: S608  # only constants of ours are put in; values are parameters
    "ended_warnings": "DELETE FROM delivery_retentionwarning WHERE ended_at < %(ended_warnings)s",
}

COUNTS: Final = f"""
SELECT (SELECT count(*) FROM delivery_batch WHERE {OLD_BATCH}),
    (SELECT count(*) FROM delivery_refusal WHERE refused_at < %(refusals)s),
    (SELECT count(*) FROM delivery_messagekey WHERE captured_at < %(message_keys)s),
    (SELECT count(*) FROM delivery_ratehold WHERE until < %(rate_holds)s),
    (SELECT count(*) FROM delivery_replay WHERE {OLD_REPLAY}),
    (SELECT count(*) FROM delivery_retentionwarning WHERE ended_at < %(ended_warnings)s)
"""  # noqa: S608  # only constants of ours are put in; values are parameters
COUNTED: Final = ("batches", *OLD)


def _repeat(step: Callable[[Any, dict[str, datetime]], int], now: datetime, until: float) -> int:
    """A chunk in a transaction each, until nothing is left or the time is over."""
    total = 0
    while time.monotonic() < until:
        with transaction.atomic(), connection.cursor() as cursor:
            some = step(cursor, _limits(now))
        if not some:
            break
        total += some
    return total


def _delete_batches(cursor: Any, limits: dict[str, datetime]) -> int:
    """Those whose events are all gone, with their requests. A half outlives its whole, and is then nobody's."""
    cursor.execute(OLD_BATCHES, limits)
    ids = [batch_id for (batch_id,) in cursor.fetchall()]
    cursor.execute("DELETE FROM delivery_attempt WHERE batch_id = ANY(%s)", [ids])
    cursor.execute("UPDATE delivery_batch SET parent_id = NULL WHERE parent_id = ANY(%s)", [ids])
    cursor.execute("DELETE FROM delivery_batch WHERE id = ANY(%s)", [ids])
    return len(ids)


def _deleting(statement: str) -> Callable[[Any, dict[str, datetime]], int]:
    def step(cursor: Any, limits: dict[str, datetime]) -> int:
        cursor.execute(statement, limits)
        return int(cursor.rowcount)

    return step
