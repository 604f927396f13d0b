"""What staff's search boxes find: by an index each, so that a log of millions answers at once.

Event names have no index; they are looked for among the newest events only.
"""

import re
import uuid
from contextlib import suppress
from typing import Final

from django.db.models import Q

from delivery.holding import batches_holding
from delivery.models import Event
from integrations.models import Source
from integrations.staff_admin import tenants_named

NEWEST_EVENTS: Final = 100_000
"""How far back an event name is looked for."""
MOST_EVENTS: Final = 1_000
"""Of the events with a userId or a name: so many, the newest. Of a tenant's there is no such limit."""


def event_condition(term: str) -> Q:
    """By messageId, userId (both exact), tenant, or the beginning of an event's name."""
    return Q(pk__in=[event_id for _, event_id in _events(term)]) | Q(source_id__in=_sources_of(term))


def batch_condition(term: str) -> Q:
    """The batches of the events that `event_condition` finds, of a tenant's sources, or with this number."""
    batches = batches_holding(_events(term))
    return Q(pk__in=batches) | Q(source_id__in=_sources_of(term)) | _number("id", term)


def attempt_condition(term: str) -> Q:
    batches = batches_holding(_events(term))
    return Q(batch_id__in=batches) | Q(source_id__in=_sources_of(term)) | _number("batch_id", term)


def refusal_condition(term: str) -> Q:
    """Refusals are few and expire: their columns are simply compared."""
    return (
        Q(user_id=term) | Q(name__istartswith=term) | Q(tenant_id__in=tenants_named(term)) | Q(excerpt__contains=term)
    )


def source_condition(term: str) -> Q:
    """For rows that hang on a source: its tenant or its name."""
    return Q(source_id__in=_sources_of(term)) | Q(source__name__icontains=term)


def _events(term: str) -> list[tuple[int, int]]:
    """Source id and id. One query for each column: all in one OR, ordered by id, and PostgreSQL may walk the log
    backwards for a row that is not there.
    """
    conditions = [Q(user_id=term), newest_events() & Q(name__istartswith=term)]
    with suppress(ValueError):
        conditions.append(Q(message_id=uuid.UUID(term)))
    newest = [
        Event.objects.filter(condition).order_by("-id").values_list("source_id", "id") for condition in conditions
    ]
    return [event for events in newest for event in events[:MOST_EVENTS]]


def _sources_of(term: str) -> list[int]:
    return list(Source.objects.filter(tenant_id__in=tenants_named(term)).values_list("pk", flat=True))


def newest_events() -> Q:
    """Those that are looked through for what has no index: the walk for a row that is not there ends with them."""
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    return Q(id__gt=newest - NEWEST_EVENTS)


def _number(field: str, term: str) -> Q:
    """Up to 18 digits: more would not be an id, nor fit in a bigint."""
    return Q(**{field: int(term)}) if re.fullmatch(r"[0-9]{1,18}", term) else Q(pk__in=[])
