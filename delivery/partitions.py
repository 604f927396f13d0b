"""The partitions of the log: ranges of event ids, made well ahead of the ids that are drawn.

PostgreSQL's catalog says which there are; EventPartition remembers since when each is in use and since when it is full.
Note: capture waits for none of this. A partition is made as a table of its own and attached, which needs a lock that
captures do not ask for; making it as a partition at once, as dropping one, needs the whole log for a moment.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import OperationalError, connection, transaction

from delivery.clock import database_now
from delivery.models import EventPartition

PARTITIONS_AHEAD: Final = 2
"""Whole ones after the one in use: 10 million ids, three minutes of the fastest capture. Looked at each minute."""
LOCK_TIMEOUT: Final = "300ms"
"""Captures wait as long behind somebody who wants the log, or the sequence, to himself."""

log = logging.getLogger(__name__)

CATALOG: Final = r"""
SELECT bound[1]::bigint AS first_id, bound[2]::bigint AS end_id FROM pg_inherits
JOIN pg_class AS part ON part.oid = inhrelid
CROSS JOIN regexp_match(pg_get_expr(part.relpartbound, part.oid), 'FROM \(''(\d+)''\) TO \(''(\d+)''\)') AS bound
WHERE inhparent = 'delivery_event'::regclass
"""

PLACE: Final = f"""
SELECT (SELECT last_value + is_called::int FROM delivery_event_id_seq), coalesce(max(end_id), 1)
FROM ({CATALOG}) AS part
"""  # noqa: S608  # only constants of ours are put in; values are parameters

NOTE: Final = f"""
INSERT INTO delivery_eventpartition AS noted (first_id, end_id, opened_at, passed_at)
SELECT first_id, end_id, CASE WHEN first_id < %(next)s THEN clock_timestamp() END,
    CASE WHEN end_id <= %(next)s THEN clock_timestamp() END
FROM ({CATALOG}) AS part
ON CONFLICT (first_id) DO UPDATE SET opened_at = excluded.opened_at, passed_at = excluded.passed_at
WHERE (noted.opened_at IS NULL AND excluded.opened_at IS NOT NULL)
    OR (noted.passed_at IS NULL AND excluded.passed_at IS NOT NULL)
"""  # noqa: S608  # only constants of ours are put in; values are parameters


@dataclass(frozen=True, slots=True)
class Place:
    """Where capture is: the next id that is drawn, and the first that no partition takes."""

    next_id: int
    end_id: int

    @property
    def ahead(self) -> int:
        """So many more events can be captured before somebody must have made a partition."""
        return max(0, self.end_id - self.next_id)

    @property
    def short(self) -> bool:
        """Whether nobody made partitions for a while: then capture has to, and waits for it."""
        return self.ahead < settings.EVENT_PARTITION_IDS


def place() -> Place:
    with connection.cursor() as cursor:
        cursor.execute(PLACE)
        return Place(*cursor.fetchone())


def keep_ahead() -> int:
    """Make the partitions that are missing ahead; returns how many. Cheap, harmless twice, and at the same time."""
    here = place()
    if here.short:
        log.critical("The log has room for only %d more events: is beat running?", here.ahead)
    made = 0
    if here.ahead < PARTITIONS_AHEAD * settings.EVENT_PARTITION_IDS:
        made = _make(settings.EVENT_PARTITION_IDS * (PARTITIONS_AHEAD + 1))
    with connection.cursor() as cursor:
        cursor.execute(NOTE, {"next": here.next_id})
    return made


def make_room(ids: int) -> int:
    """Make partitions until so many more events can be captured: before a large import."""
    return _make(ids)


def _make(ids: int) -> int:
    """The lock makes two at once follow each other; the second finds nothing left to do."""
    made = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('headwater partitions', 0))")
        while (here := place()).ahead < ids:
            attach(here.end_id, here.end_id + settings.EVENT_PARTITION_IDS)
            made += 1
    return made


def attach(first_id: int, end_id: int) -> None:
    """A partition for the ids from the first up to the end, which is not in it."""
    table = table_of(first_id)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (LIKE delivery_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        cursor.execute(
            f"ALTER TABLE delivery_event ATTACH PARTITION {table} FOR VALUES FROM ({first_id:d}) TO ({end_id:d})"
        )
    log.info("Made the partition of the log for the ids from %d up to %d.", first_id, end_id)


def table_of(first_id: int) -> str:
    return f"delivery_event_{first_id:d}"


def is_full(error: Exception) -> bool:
    """Whether an insert failed because no partition takes its id: a violated check that has no name."""
    diagnosis = getattr(error, "diag", None) or getattr(error.__cause__, "diag", None)
    return diagnosis is not None and diagnosis.sqlstate == "23514" and diagnosis.constraint_name is None


def turn_page(age: timedelta) -> bool:
    """Begin the next partition when the one in use is that old, full or not; returns whether it did.

    So the events of a product with few of them go when they should, and not when five million have come together.
    The ids that are left out never existed.
    """
    current = EventPartition.objects.filter(opened_at__isnull=False, passed_at=None).order_by("first_id").first()
    if current is None or current.opened_at is None or place().end_id <= current.end_id:
        return False
    if database_now() - current.opened_at < age:
        return False
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            return _move_sequence(cursor, current)
    except OperationalError:
        log.info("The log's partition is old, and its sequence in use: tried again in an hour.")
        return False


def _move_sequence(cursor: Any, current: EventPartition) -> bool:
    """The first ALTER changes nothing: it locks the sequence, so that no id is drawn between the look and the move."""
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    cursor.execute("ALTER SEQUENCE delivery_event_id_seq OWNED BY delivery_event.id")
    if not current.first_id < place().next_id < current.end_id:
        return False
    cursor.execute(f"ALTER SEQUENCE delivery_event_id_seq RESTART WITH {current.end_id:d}")
    cursor.execute(NOTE, {"next": current.end_id})
    return True
