"""What waits and what was accepted, asked of the database; and large logs made quickly."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from django.db import connection

from benchmarks.events import typical_calls
from benchmarks.measured import BenchmarkError
from delivery.outbox import capture_many
from integrations.models import Source

CAPTURED_AT_ONCE: Final = 20_000

ACCEPTED: Final = """
SELECT coalesce(sum(event_count), 0), coalesce(extract(epoch FROM max(closed_at)), 0)
FROM delivery_batch WHERE state = 'accepted' AND source_id = ANY(%s)
"""


def fill(source: Source, count: int) -> None:
    """Capture so many typical events, through the outbox as a product would."""
    for start in range(0, count, CAPTURED_AT_ONCE):
        some = min(CAPTURED_AT_ONCE, count - start)
        captured = capture_many(source.tenant_id, typical_calls(some), sources=[source])
        if len(captured.event_ids) != some:
            raise BenchmarkError(f"Only {len(captured.event_ids):,} of {some:,} events were captured.")


def waiting(source: Source) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM delivery_pending WHERE source_id = %s", [source.pk])
        count: int = cursor.fetchone()[0]
        return count


def wait_until_accepted(sources: Sequence[Source], count: int, check: Callable[[], None]) -> float:
    """When the last of them was recorded as accepted, in seconds since 1970. `check` raises when waiting is vain."""
    patience = 60 + count / 1_000
    deadline = time.monotonic() + patience
    while True:
        with connection.cursor() as cursor:
            cursor.execute(ACCEPTED, [[source.pk for source in sources]])
            accepted, last = cursor.fetchone()
        if accepted >= count:
            return float(last)
        check()
        if time.monotonic() > deadline:
            raise BenchmarkError(f"Only {accepted:,} of {count:,} events were accepted within {patience:.0f} s.")
        time.sleep(0.1)
