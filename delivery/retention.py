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
        report.refusals = _repeat(_deleting(OLD_REFUSALS), now, until)
        report.message_keys = _repeat(_deleting(OLD_MESSAGE_KEYS), now, until)
        report.rate_holds = _repeat(_deleting(OLD_RATE_HOLDS), now, until)
    log.info("Retention: %s.", report)
    return report


def preview() -> Report:
    """What a run would do now, of batches, refusals and dedupe rows with what the retention of events leaves them."""
    with every_tenant():
        keep_ahead()
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
            report.batches, report.refusals, report.message_keys, report.rate_holds = cursor.fetchone()
    return report


def _limits(now: datetime) -> dict[str, datetime]:
    return {
        "batches": now - timedelta(days=settings.BATCH_RETENTION_DAYS),
        "refusals": now - timedelta(days=settings.REFUSAL_RETENTION_DAYS),
        "message_keys": now - timedelta(hours=settings.MESSAGE_KEY_HOURS),
        "rate_holds": now - timedelta(days=1),
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
    SELECT 1 FROM integrations_source AS source WHERE EXISTS (
        SELECT 1 FROM delivery_pending WHERE source_id = source.id AND event_id >= %(first)s AND event_id < %(end)s
    )
) OR EXISTS (
    SELECT 1 FROM (
        SELECT event_ids FROM delivery_batch WHERE state = 'open'
        UNION ALL SELECT event_ids FROM delivery_batch WHERE state IN ('set_aside', 'quarantined')
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
    made an event owed meanwhile is seen. Who captures waits for that look, and never for others who are in the way.
    """
    if is_owed(partition):
        return False
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            # The log before its partition, as everybody else.
            cursor.execute("LOCK TABLE ONLY delivery_event IN ACCESS EXCLUSIVE MODE")
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table_of(partition.first_id)])
            if cursor.fetchone()[0]:
                cursor.execute(f"LOCK TABLE {table_of(partition.first_id)} IN ACCESS EXCLUSIVE MODE")
                if is_owed(partition):
                    return False
                cursor.execute(f"DROP TABLE {table_of(partition.first_id)}")
            EventPartition.objects.filter(pk=partition.pk).delete()
    except OperationalError:
        log.info("A partition past its retention is in use: dropped another time.")
        return False
    log.info("Dropped the events from %d up to %d.", partition.first_id, partition.end_id)
    return True


OLD_BATCH: Final = f"""
closed_at < %(batches)s AND state NOT IN ('open', 'set_aside', 'quarantined')
AND event_ids[cardinality(event_ids)] < (SELECT coalesce(min(first_id), 0) FROM ({CATALOG}) AS part)
"""  # noqa: S608  # see CATALOG
OLD_BATCHES: Final = f"""
SELECT id FROM delivery_batch WHERE id = ANY(ARRAY(
    SELECT id FROM (SELECT * FROM delivery_batch ORDER BY id LIMIT {ROWS}) AS oldest WHERE {OLD_BATCH}
)) ORDER BY id LIMIT {CHUNK} FOR UPDATE SKIP LOCKED
"""  # noqa: S608  # the conditions above
OLD_REFUSALS: Final = f"""
DELETE FROM delivery_refusal WHERE id = ANY(ARRAY(
    SELECT id FROM (SELECT * FROM delivery_refusal ORDER BY id LIMIT {ROWS}) AS oldest WHERE refused_at < %(refusals)s
))
"""  # noqa: S608  # a number
# Both from the oldest on: ids follow the time, so that no index by time is needed.
OLD_MESSAGE_KEYS: Final = f"""
DELETE FROM delivery_messagekey WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM delivery_messagekey WHERE captured_at < %(message_keys)s ORDER BY captured_at LIMIT {ROWS}
))
"""  # noqa: S608  # a number
OLD_RATE_HOLDS: Final = "DELETE FROM delivery_ratehold WHERE until < %(rate_holds)s"

COUNTS: Final = f"""
SELECT (SELECT count(*) FROM delivery_batch WHERE {OLD_BATCH}),
    (SELECT count(*) FROM delivery_refusal WHERE refused_at < %(refusals)s),
    (SELECT count(*) FROM delivery_messagekey WHERE captured_at < %(message_keys)s),
    (SELECT count(*) FROM delivery_ratehold WHERE until < %(rate_holds)s)
"""  # noqa: S608  # the conditions above


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
