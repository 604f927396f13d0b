"""An event has no state of its own: it waits, or it shares the state of the last batch that it was put in."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from delivery import admin_search
from delivery.admin_search import newest, newest_id
from delivery.enums import BatchState, Hold, Outcome
from delivery.holding import HOLDS
from delivery.models import Batch, Event
from integrations.enums import Region
from integrations.staff_admin import WithinFilter

WAITING: Final = "waiting"
CALL_TYPES: Final = ("track", "identify", "page", "screen", "group", "alias")
MOST_EVENTS: Final = 1_000
"""In a state that is filtered by."""
NEWEST: Final = f"{{}} (of the newest {admin_search.NEWEST:,})"
"""There is no index for it."""
STATE_LABELS: Final[dict[str, str]] = {WAITING: "Waiting", **dict(BatchState.choices), BatchState.OPEN: "In a batch"}
COLOURS: Final[dict[str, str]] = {
    BatchState.OPEN: "info",
    BatchState.ACCEPTED: "success",
    BatchState.QUARANTINED: "danger",
    BatchState.SET_ASIDE: "warning",
    BatchState.DISCARDED: "danger",
    WAITING: "info",
    Outcome.UNKNOWN: "warning",
    Outcome.NOT_SENT: "warning",
    Outcome.TIMEOUT: "warning",
    Outcome.BROKEN: "warning",
    Outcome.RATE_LIMITED: "warning",
    Outcome.SERVER_ERROR: "warning",
    Outcome.REJECTED: "danger",
    Outcome.KEY_REFUSED: "danger",
    Outcome.REDIRECTED: "danger",
    Outcome.NOT_CONFIRMED: "danger",
    **dict.fromkeys(Hold.values, "danger"),
}


STATES: Final = f"""
SELECT event.id, CASE
    WHEN (SELECT event_id FROM delivery_pending WHERE source_id = event.source_id AND event_id = event.id) IS NOT NULL
    THEN 'waiting'
    ELSE (
        SELECT state FROM delivery_batch WHERE {HOLDS.format(source="event.source_id", event="event.id")}
        ORDER BY id + 0 DESC LIMIT 1
    )
END FROM unnest(%(sources)s::bigint[], %(events)s::bigint[]) AS event (source_id, id)
"""  # noqa: S608  # only constants of ours are put in; values are parameters


def states_of(events: Sequence[Event]) -> dict[int, str | None]:
    """By id: "waiting", a BatchState, or None for an event whose batch is gone. One query."""
    asked = {"sources": [event.source_id for event in events], "events": [event.pk for event in events]}
    with connection.cursor() as cursor:
        cursor.execute(STATES, asked)
        return dict(cursor.fetchall())


NEWEST_WAITING: Final = """
WITH newest AS MATERIALIZED (
    SELECT * FROM (
        SELECT id, (SELECT max(event_id) FROM delivery_pending WHERE source_id = source.id) AS event_id
        FROM integrations_source AS source
    ) AS ends WHERE event_id IS NOT NULL ORDER BY event_id DESC LIMIT %(most)s
)
SELECT pending.event_id FROM newest CROSS JOIN LATERAL (
    SELECT event_id FROM delivery_pending
    WHERE source_id = newest.id
        AND event_id >= (SELECT CASE WHEN count(*) = %(most)s THEN min(event_id) ELSE 0 END FROM newest)
    ORDER BY event_id DESC LIMIT %(most)s
) AS pending ORDER BY event_id DESC LIMIT %(most)s
"""
# What waits has an index by source alone. The newest thousand are of the thousand sources that captured last, and, if
# there are so many, no older than the newest of the last of these.
NEWEST_IN_STATE: Final = """
SELECT unnest(event_ids) FROM (
    SELECT event_ids, sum(event_count) OVER (ORDER BY id DESC) - event_count AS newer FROM (
        SELECT id, event_ids, event_count FROM delivery_batch WHERE state = %(state)s AND id > %(after)s
        ORDER BY id DESC LIMIT %(most)s
    ) AS newest
) AS counted WHERE newer < %(most)s
"""


def newest_in(state: str) -> list[int]:
    """The ids of the newest events in a state: those of the newest batches, which are a thousand times fewer."""
    statement = NEWEST_WAITING if state == WAITING else NEWEST_IN_STATE
    with connection.cursor() as cursor:
        cursor.execute(
            statement, {"state": state, "after": newest_id(Batch) - admin_search.NEWEST, "most": MOST_EVENTS}
        )
        return sorted((event_id for (event_id,) in cursor.fetchall()), reverse=True)[:MOST_EVENTS]


class EventStateFilter(admin.SimpleListFilter):
    title = f"state (the newest {MOST_EVENTS:,})"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        # The events of such a batch are in newer ones.
        gone_on = (BatchState.SPLIT, BatchState.REPLAYED)
        return [(state, label) for state, label in STATE_LABELS.items() if state not in gone_on]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        state = self.value()
        return queryset.filter(pk__in=newest_in(state)) if state in STATE_LABELS else queryset


class CallTypeFilter(admin.SimpleListFilter):
    """A list of all types that occur would have to read all events."""

    title = NEWEST.format("call")
    parameter_name = "type"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in CALL_TYPES]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(newest(Event), type=self.value()) if self.value() in CALL_TYPES else queryset


class RegionFilter(admin.SimpleListFilter):
    title = NEWEST.format("region")
    parameter_name = "region"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return list(Region.choices)

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in Region:
            return queryset
        return queryset.filter(newest(queryset.model), source__region=self.value())


class EventTimeFilter(WithinFilter):
    title = NEWEST.format("time")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        within = super().queryset(request, queryset)
        return within.filter(newest(Event)) if self.value() in self.spans else within


class AnswerFilter(admin.SimpleListFilter):
    """By the status code; a list of all that occur would have to read all attempts."""

    title = "answer"
    parameter_name = "answer"
    ranges: Final = {
        "200": ("200", (200, 299)),
        "3xx": ("3xx redirect", (300, 399)),
        "400": ("400 bad request", (400, 400)),
        "401": ("401 or 403 key refused", (401, 403)),
        "413": ("413 too large", (413, 413)),
        "429": ("429 too many requests", (429, 429)),
        "5xx": ("5xx server error", (500, 599)),
    }

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.ranges.items()] + [("none", "No answer")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "none":
            return queryset.filter(status_code=None)
        if self.value() in self.ranges:
            return queryset.filter(status_code__range=self.ranges[str(self.value())][1])
        return queryset
