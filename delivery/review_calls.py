"""Where the calls of a review come from: the log, newest first, or the mappings."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any, Final

import orjson
from django.db import transaction
from django.db.models import QuerySet

from delivery.models import Event
from delivery.review import Sighting
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
    with scope(tenant_id):
        source_ids = list(Source.objects.order_by("pk").values_list("pk", flat=True))
        each = None if limit is None else max(1, limit // max(1, len(source_ids)))
        walks = (_walk(Event.objects.filter(source_id=source_id), since) for source_id in source_ids)
        yield from chain.from_iterable(islice(walk, each) for walk in walks)


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
            call = orjson.loads(payload) if payload and captured_at >= since else None
            # The event of a connection's test is about nobody, and in no document.
            if call and not is_trial(call):
                yield Sighting(call, str(message_id))
