"""A large log or backlog made quickly: the rows of a few captured events, copied inside the database."""

from collections.abc import Callable
from typing import Final

from django.db import connection

from benchmarks.backlog import fill
from delivery.models import Event
from delivery.partitions import make_room
from integrations.models import Source

COPIED_AT_ONCE: Final = 100_000
PATTERNS: Final = 1_000
"""Captured as usual, then copied under new ids: the sink reads no messageId."""

COPY: Final = """
WITH made AS (
    INSERT INTO delivery_event ({columns}) SELECT {values}
    FROM (SELECT * FROM delivery_event WHERE source_id = %(pattern)s LIMIT %(patterns)s) AS event
    CROSS JOIN generate_series(1, %(each)s)
    RETURNING id, source_id, bytes
)
INSERT INTO delivery_pending (source_id, event_id, bytes) SELECT source_id, id, bytes FROM made WHERE %(waiting)s
"""


def copy_events(pattern: Source, target: Source, count: int, say: Callable[[str], None], *, waiting: bool) -> int:
    """Give `target` at least `count` events like those of `pattern`, in its backlog or in the log alone; how many."""
    patterns = min(PATTERNS, count)
    # The beat that makes partitions ahead is not part of a benchmark.
    make_room(count + COPIED_AT_ONCE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM delivery_event WHERE source_id = %s", [pattern.pk])
        fill(pattern, max(0, patterns - cursor.fetchone()[0]))
        made = 0
        while made < count:
            each = -(-min(COPIED_AT_ONCE, count - made) // patterns)
            wanted = {"pattern": pattern.pk, "patterns": patterns, "each": each, "waiting": waiting}
            cursor.execute(_statement(), wanted | {"source": target.pk, "tenant": target.tenant_id})
            made += patterns * each
            say(f"loading events: {made:,} of {count:,}")
    return made


def _statement() -> str:
    """Every column as it is, but for the ids."""
    changed = {"message_id": "gen_random_uuid()", "source_id": "%(source)s", "tenant_id": "%(tenant)s"}
    fields = Event._meta.concrete_fields
    columns = [str(field.column) for field in fields if not field.primary_key]
    return COPY.format(columns=", ".join(columns), values=", ".join(changed.get(name, name) for name in columns))
