"""Where the calls of a review come from: the log, newest first, or the mappings."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import QuerySet

from delivery.models import Event
from delivery.review.checklist import Sighting
from integrations.catalog.sent import sent_events
from integrations.models import Source
from integrations.trial import is_trial
from tenants.scoping import every_tenant, scope

_AT_ONCE: Final = 500
"""Rows that a server-side cursor fetches: at most 16 MB of payload."""

_OUT_OF_ORDER: Final = timedelta(hours=1)
"""Ids follow the order of capture, long transactions and other clocks apart: the walk ends this much later."""


def from_mappings() -> Iterator[Sighting]:
    """The call that each mapping makes of a made-up activity."""
    return (Sighting(event.example, event.mapping) for event in sent_events() if event.example)


def from_tenant(tenant_id: int, since: datetime, limit: int | None = None) -> Iterator[Sighting]:
    """What was captured for the tenant's sources since then. `limit` is shared out among the sources."""
    if limit is not None:
        yield from _newest(tenant_id, since, limit)
        return
    with scope(tenant_id):
        source_ids = list(Source.objects.order_by("pk").values_list("pk", flat=True))
        walks = (_walk(Event.objects.filter(source_id=source_id), since) for source_id in source_ids)
        yield from chain.from_iterable(walks)


NEWEST: Final = """
WITH source AS MATERIALIZED (SELECT id FROM integrations_source WHERE tenant_id = %(tenant)s),
newest AS MATERIALIZED (
    SELECT event.id FROM source CROSS JOIN LATERAL (
        SELECT * FROM (
            SELECT id FROM delivery_event WHERE source_id = source.id ORDER BY id DESC LIMIT %(limit)s
        ) AS newest LIMIT greatest(1, %(limit)s / (SELECT count(*) FROM source))
    ) AS event
    LIMIT %(limit)s
)
SELECT captured_at, message_id, payload FROM delivery_event
WHERE id = ANY(ARRAY(SELECT id FROM newest)) ORDER BY id DESC
"""
# First the ids, by the index of a source's events alone, with a limit that PostgreSQL can plan by. Asked for the rows
# at once it walks whole partitions by id for a source that has nothing in them: 9 s of a log of 5,000,000.


def _newest(tenant_id: int, since: datetime, limit: int) -> Iterator[Sighting]:
    """In one query, for a page: a walk for each source would be thousands where there are thousands of sources."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, {"tenant": tenant_id, "limit": limit})
        rows = cursor.fetchall()
    for captured_at, message_id, payload in rows:
        if sighting := _sighting(captured_at, message_id, payload, since):
            yield sighting


def from_everyone(since: datetime, limit: int | None = None) -> Iterator[Sighting]:
    """What was captured for all tenants since then: for staff and operators."""
    with every_tenant():
        yield from islice(_walk(Event.objects.all(), since), limit)


def _walk(events: QuerySet[Event], since: datetime) -> Iterator[Sighting]:
    """Newest first, through a server-side cursor, in constant memory; it stops by itself at what is too old."""
    rows: Any = events.order_by("-pk").values_list("captured_at", "message_id", "payload")
    # Outside of a transaction PostgreSQL would copy the whole result before it gives the first row.
    with transaction.atomic():
        for captured_at, message_id, payload in rows.iterator(chunk_size=_AT_ONCE):
            if captured_at < since - _OUT_OF_ORDER:
                return
            if sighting := _sighting(captured_at, message_id, payload, since):
                yield sighting


def _sighting(captured_at: datetime, message_id: UUID, payload: str, since: datetime) -> Sighting | None:
    call = orjson.loads(payload) if payload and captured_at >= since else None
    # The event of a connection's test is about nobody, and in no document.
    return Sighting(call, str(message_id)) if call and not is_trial(call) else None
