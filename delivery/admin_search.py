"""What staff's search boxes find: by an index each, so that a log of millions answers at once.

What has no index (names of events, texts, companies with a great many sources) is looked for among the newest rows.
"""

import re
import uuid
from contextlib import suppress
from typing import Any, Final

from django.db.models import Model, Q

from delivery.holding import batches_holding
from delivery.models import Attempt, Batch, Event, Refusal
from integrations.models import Source
from integrations.staff_admin import tenants_named

NEWEST: Final = 100_000
"""So many rows are looked through for what has no index."""
NEWEST_REFUSALS: Final = 20_000
"""The same of refused calls, whose texts are read."""
MOST_FOUND: Final = 1_000
"""By userId or name, and of a term that finds in several ways by each: so many, the newest."""
MOST_SOURCES: Final = 100
"""Of a company. PostgreSQL plans for half a second with thousands of ids."""


def event_condition(term: str) -> Q:
    """By messageId, userId (both exact), tenant, or the beginning of an event's name."""
    ids = [event_id for _, event_id in _events(term)]
    return _either(Event, _among("pk", ids), _of_tenants(Event, term))


def batch_condition(term: str) -> Q:
    """The batches of the events that `event_condition` finds, of a tenant's sources, or with this number."""
    batches = [*batches_holding(_events(term)), *_number(term)]
    return _either(Batch, _among("pk", batches), _of_tenants(Batch, term))


def attempt_condition(term: str) -> Q:
    batches = [*batches_holding(_events(term)), *_number(term)]
    return _either(Attempt, _among("batch_id", batches), _of_tenants(Attempt, term))


def refusal_condition(term: str) -> Q:
    told = Q(user_id=term) | Q(name__istartswith=term) | Q(excerpt__contains=term)
    newest = Refusal.objects.filter(told, pk__gt=newest_id(Refusal) - NEWEST_REFUSALS).order_by("-pk")
    ids = list(newest.values_list("pk", flat=True)[:MOST_FOUND])
    return _either(Refusal, _among("pk", ids), _among("tenant_id", tenants_named(term)))


def source_condition(term: str) -> Q:
    """For rows that hang on a source, and are few: its tenant or its name."""
    return Q(source__tenant_id__in=tenants_named(term)) | Q(source__name__icontains=term)


def _among(column: str, values: list[int]) -> Q:
    """Empty when there are none."""
    return Q(**{f"{column}__in": values}) if values else Q()


def _either(model: type[Model], *conditions: Q) -> Q:
    """The rows of the condition that is not empty. Of several, the newest of each; without any, no row.

    All in one OR, ordered by id, and PostgreSQL may walk the whole table backwards for a row that is not there.
    """
    given = [condition for condition in conditions if condition]
    if len(given) == 1:
        return given[0]
    rows = model._default_manager.order_by("-pk").values_list("pk", flat=True)
    return Q(pk__in=[pk for condition in given for pk in rows.filter(condition)[:MOST_FOUND]])


def _events(term: str) -> list[tuple[int, int]]:
    """Source id and id. A query for each column, for the reason that `_either` has."""
    conditions = [Q(user_id=term), newest(Event) & Q(name__istartswith=term)]
    with suppress(ValueError):
        conditions.append(Q(message_id=uuid.UUID(term)))
    found = [Event.objects.filter(condition).order_by("-id").values_list("source_id", "id") for condition in conditions]
    return [event for events in found for event in events[:MOST_FOUND]]


def _of_tenants(model: type[Model], term: str) -> Q:
    """The rows of a tenant's sources; of one with a great many sources the newest. Empty when none is called so."""
    tenants = tenants_named(term)
    sources = list(Source.objects.filter(tenant_id__in=tenants).values_list("pk", flat=True)[: MOST_SOURCES + 1])
    if len(sources) > MOST_SOURCES:
        return newest(model) & Q(source__tenant_id__in=tenants)
    return _among("source_id", sources)


def newest(model: type[Model]) -> Q:
    """Those that are looked through for what has no index: the walk for a row that is not there ends with them."""
    return Q(pk__gt=newest_id(model) - NEWEST)


def newest_id(model: type[Model]) -> int:
    """0 when there is no row."""
    ids: Any = model._default_manager.order_by("-pk").values_list("pk", flat=True)
    return int(ids.first() or 0)


def _number(term: str) -> list[int]:
    """Up to 18 digits: more would not be an id, nor fit in a bigint."""
    return [int(term)] if re.fullmatch(r"[0-9]{1,18}", term) else []
