"""An event has no state of its own: it waits, or it shares the state of the last batch that it was put in."""

from itertools import chain
from typing import Any, Final

from django.contrib import admin
from django.db.models import (
    Case,
    CharField,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.lookups import GreaterThan
from django.http import HttpRequest

from delivery.admin_search import NEWEST_EVENTS, newest_events
from delivery.enums import BatchState, Hold, Outcome
from delivery.holding import state_of_newest_batch
from delivery.models import Batch, Event, Pending
from integrations.enums import Region
from integrations.staff_admin import WithinFilter

WAITING: Final = "waiting"
CALL_TYPES: Final = ("track", "identify", "page", "screen", "group", "alias")
MOST_EVENTS: Final = 10_000
MOST_BATCHES: Final = 500
NEWEST: Final = f"{{}} (of the newest {NEWEST_EVENTS:,} events)"
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


def with_state(events: QuerySet[Event]) -> QuerySet[Any]:
    """Annotate `state`: "waiting", a BatchState, or None for an event whose batch is gone."""
    # No EXISTS: PostgreSQL would read all that is pending into a hash, to look up the events of a page.
    waiting = Pending.objects.filter(source_id=OuterRef("source_id"), event_id=OuterRef("pk")).values("event_id")[:1]
    state = Case(
        When(GreaterThan(Subquery(waiting), 0), then=Value(WAITING)),
        default=state_of_newest_batch(),
        output_field=CharField(),
    )
    return events.annotate(state=state)


class EventStateFilter(admin.SimpleListFilter):
    """The newest events of a state, at most 10,000: from the side of the batches, which are a thousand times fewer."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        # The events of such a batch are in newer ones.
        gone_on = (BatchState.SPLIT, BatchState.REPLAYED)
        return [(state, label) for state, label in STATE_LABELS.items() if state not in gone_on]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        state = self.value()
        if state == WAITING:
            waiting = Pending.objects.order_by("-event_id").values_list("event_id", flat=True)
            return queryset.filter(pk__in=list(waiting[:MOST_EVENTS]))
        if state in BatchState.values:
            batches = Batch.objects.filter(state=state).order_by("-id").values_list("event_ids", flat=True)
            return queryset.filter(pk__in=list(chain.from_iterable(batches[:MOST_BATCHES]))[:MOST_EVENTS])
        return queryset


class CallTypeFilter(admin.SimpleListFilter):
    """A list of all types that occur would have to read all events."""

    title = NEWEST.format("call")
    parameter_name = "type"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in CALL_TYPES]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(newest_events(), type=self.value()) if self.value() in CALL_TYPES else queryset


class EventRegionFilter(admin.SimpleListFilter):
    title = NEWEST.format("region")
    parameter_name = "region"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return list(Region.choices)

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(newest_events(), source__region=self.value()) if self.value() in Region else queryset


class EventTimeFilter(WithinFilter):
    title = NEWEST.format("time")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        within = super().queryset(request, queryset)
        return within.filter(newest_events()) if self.value() in self.spans else within


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
