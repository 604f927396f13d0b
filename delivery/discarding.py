"""Batches of events that waited and are never sent: they are over as soon as they are made."""

from collections.abc import Sequence
from typing import Final

from django.db import connection

from delivery.batching import new_batch
from delivery.clock import ClockTimestamp
from delivery.enums import BatchState

CAPTURED: Final = "SELECT captured_at FROM delivery_event WHERE id = %s"


def discard(source_id: int, tenant_id: int, taken: Sequence[tuple[int, int]], reason: str) -> None:
    """`taken` from what was pending: ids and bytes, in the order of capture. They wait since the first of them came."""
    with connection.cursor() as cursor:
        cursor.execute(CAPTURED, [taken[0][0]])
        (captured_at,) = cursor.fetchone() or (None,)
    new_batch(
        source_id, tenant_id, [event_id for event_id, _ in taken], sum(size for _, size in taken),
        state=BatchState.DISCARDED, reason=reason, closed_at=ClockTimestamp(),
        waiting_since=captured_at or ClockTimestamp(),
    )  # fmt: skip
