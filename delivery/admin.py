"""Staff's view of delivery: what was captured, what carried it, what Segment answered. Nothing here can be changed."""

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.views import ChangeList

from delivery import (
    admin_alerts,  # noqa: F401  # imported for its @admin.register
    admin_imports,  # noqa: F401  # imported for its @admin.register
    admin_lanes,  # noqa: F401  # imported for its @admin.register
    admin_search,
)
from delivery.admin_columns import OfSource
from delivery.admin_deeds import DEEDS
from delivery.admin_journey import attempt_step, journey, rows, seconds
from delivery.admin_states import (
    COLOURS,
    STATE_LABELS,
    AnswerFilter,
    CallTypeFilter,
    EventStateFilter,
    EventTimeFilter,
    RegionFilter,
    states_of,
)
from delivery.enums import Outcome
from delivery.models import Attempt, Batch, Event, Refusal
from integrations.admin import SOURCE_CARDS
from integrations.models import Source
from integrations.staff_admin import (
    NOTHING,
    WithinFilter,
    at,
    badge,
    link,
    links_card,
    list_link,
    related,
    table_card,
    text_card,
)
from tenants.staff_pages import staff_link

EVENTS_ON_A_PAGE: Final = 100


class EventList(ChangeList):
    """Looks up the states of the page's events alone: asked for with the list, those of all pages before it are too."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        events: Any = self.result_list
        states = states_of(events)
        for event in events:
            event.state = states[event.pk]


@admin.register(Event)
class EventAdmin(OfSource):
    time_field = "captured_at"
    list_display = ("title", "person", "tenant_link", "source_link", "state_badge", "captured")
    list_filter = (EventStateFilter, CallTypeFilter, RegionFilter, EventTimeFilter)
    list_select_related = ("source__tenant",)
    search_fields = ("message_id",)
    search_help_text = (
        "messageId, userId, tenant (name or slug), or the beginning of an event name. Names, and tenants with over "
        "100 sources: among the newest 100,000 events"
    )
    fields = (
        ("call_id", "person"),
        ("title", "region_name"),
        ("tenant_link", "source_link"),
        ("occurred", "captured"),
        "size",
    )
    readonly_fields = [*chain.from_iterable(fields[:4]), "size"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        events: QuerySet[Event] = super().get_queryset(request)
        return events.select_related("source__tenant")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[EventList]:
        return EventList

    def search_condition(self, term: str) -> Q:
        return admin_search.event_condition(term)

    @admin.display(description="event")
    def title(self, event: Event) -> str:
        return str(event)

    @admin.display(description="state")
    def state_badge(self, event: Any) -> str:
        return badge(STATE_LABELS.get(event.state, "Unknown"), COLOURS.get(event.state, ""))

    @admin.display(description="messageId")
    def call_id(self, event: Event) -> str:
        return str(event.message_id)

    @admin.display(description="userId")
    def person(self, event: Event) -> str:
        return event.user_id or NOTHING

    @admin.display(description="size")
    def size(self, event: Event) -> str:
        return f"{event.bytes:,} bytes"

    @admin.display(description="captured (UTC)")
    def captured(self, event: Event) -> str:
        return at(event.captured_at)

    @admin.display(description="timestamp (UTC)")
    def occurred(self, event: Event) -> str:
        return at(event.occurred_at)

    def cards_before(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        return [table_card("Journey", ["Time (UTC)", "What", "Detail"], rows(journey(obj)))]

    def cards_after(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        return [text_card("The call as it is sent (sentAt is added with each request)", pretty(obj.payload))]


@admin.register(Batch)
class BatchAdmin(OfSource):
    time_field = "created_at"
    list_display = (
        "__str__",
        "tenant_link",
        "source_link",
        "state_badge",
        "event_count",
        "bytes",
        "attempts_made",
        "created",
    )
    list_filter = ("state", "source__region", WithinFilter)
    list_select_related = ("source__tenant",)
    search_fields = ("id",)
    search_help_text = "messageId or userId of an event in it, beginning of an event name, tenant, batch number"
    fields = (
        ("tenant_link", "source_link"),
        ("region_name", "parent_link"),
        ("state", "reason"),
        ("event_count", "bytes"),
        ("created", "closed"),
        ("attempts_made", "tries"),
        ("crashes", "pause"),
        ("ambiguous_since", "ambiguous_region"),
    )
    readonly_fields = list(chain.from_iterable(fields))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        batches: QuerySet[Batch] = super().get_queryset(request)
        return batches.select_related("source__tenant").defer("event_ids")

    def search_condition(self, term: str) -> Q:
        return admin_search.batch_condition(term)

    @admin.display(description="state")
    def state_badge(self, batch: Batch) -> str:
        return badge(batch.get_state_display(), COLOURS.get(batch.state, ""))

    @admin.display(description="created (UTC)")
    def created(self, batch: Batch) -> str:
        return at(batch.created_at)

    @admin.display(description="closed (UTC)")
    def closed(self, batch: Batch) -> str:
        return at(batch.closed_at)

    @admin.display(description="not before (UTC)")
    def pause(self, batch: Batch) -> str:
        return at(batch.not_before)

    @admin.display(description="ambiguous since (UTC)")
    def ambiguous_since(self, batch: Batch) -> str:
        return at(batch.first_ambiguous_at)

    @admin.display(description="came from")
    def parent_link(self, batch: Batch) -> str:
        return link(Batch(pk=batch.parent_id)) if batch.parent_id else NOTHING

    def cards_after(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        attempts = obj.attempts.order_by("number")
        yield table_card(
            "Attempts", ["Time (UTC)", "Outcome", "Answer"], rows([attempt_step(each) for each in attempts])
        )
        if halves := list(obj.halves.order_by("id").defer("event_ids")):
            yield table_card(
                "Halves and replays", ["Batch", "State"], [[link(half), self.state_badge(half)] for half in halves]
            )
        yield self._events_card(obj, request.GET.get("events", ""))

    def _events_card(self, batch: Batch, asked: str) -> dict[str, Any]:
        """One page of its events, `?events=2` the second."""
        pages = max(1, -(-len(batch.event_ids) // EVENTS_ON_A_PAGE))
        page = min(max(int(asked), 1), pages) if asked.isdecimal() else 1
        ids = batch.event_ids[(page - 1) * EVENTS_ON_A_PAGE : page * EVENTS_ON_A_PAGE]
        events = Event.objects.filter(pk__in=ids).order_by("pk").defer("payload")
        table = [
            [link(event), event.user_id or NOTHING, str(event.message_id), at(event.captured_at)] for event in events
        ]
        if not table:
            table = [["Past their retention: these events are gone.", *[NOTHING] * 3]]
        first = (page - 1) * EVENTS_ON_A_PAGE + 1
        title = f"Events {first} to {first + len(ids) - 1} of {batch.event_count}"
        card = table_card(title, ["Event", "userId", "messageId", "Captured (UTC)"], table)
        return card | {"page": page, "pages": range(1, pages + 1)}


@admin.register(Attempt)
class AttemptAdmin(OfSource):
    time_field = "started_at"
    list_display = (
        "__str__",
        "tenant_link",
        "source_link",
        "region",
        "outcome_badge",
        "status_code",
        "started",
        "took",
    )
    list_filter = ("outcome", AnswerFilter, "region", "ambiguous", WithinFilter)
    list_select_related = ("source__tenant",)
    search_fields = ("id",)
    search_help_text = "messageId or userId of an event it carried, beginning of an event name, tenant, batch number"
    fields = (
        ("batch_link", "number"),
        ("tenant_link", "source_link"),
        ("region", "source_version"),
        ("outcome", "may_have_arrived"),
        ("started", "took"),
        ("status_code", "retry_after"),
        "answer",
    )
    readonly_fields = ("batch_link", "tenant_link", "source_link", "may_have_arrived", "started", "took")

    def search_condition(self, term: str) -> Q:
        return admin_search.attempt_condition(term)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        attempts: QuerySet[Attempt] = super().get_queryset(request)
        return attempts.select_related("source__tenant")

    @admin.display(description="batch")
    def batch_link(self, attempt: Attempt) -> str:
        return link(Batch(pk=attempt.batch_id))

    @admin.display(description="may have arrived")
    def may_have_arrived(self, attempt: Attempt) -> str:
        if attempt.outcome == Outcome.ACCEPTED:
            return "It did"
        return "Yes" if attempt.ambiguous else "No"

    @admin.display(description="outcome")
    def outcome_badge(self, attempt: Attempt) -> str:
        return badge(attempt.get_outcome_display(), COLOURS.get(attempt.outcome, "success"))

    @admin.display(description="started (UTC)")
    def started(self, attempt: Attempt) -> str:
        return at(attempt.started_at)

    @admin.display(description="took")
    def took(self, attempt: Attempt) -> str:
        return seconds(attempt.started_at, attempt.finished_at) or NOTHING


@admin.register(Refusal)
class RefusalAdmin(OfSource):
    time_field = "refused_at"
    list_display = ("__str__", "person", "tenant_link", "source_link", "reason", "refused")
    list_filter = ("reason", RegionFilter, WithinFilter)
    list_select_related = ("tenant", "source")
    search_fields = ("user_id",)
    search_help_text = (
        "Tenant; userId, beginning of an event name or text of the call (a messageId), among the newest 20,000"
    )
    fields = (("reason", "refused"), ("type", "name"), ("tenant_link", "source_link"), "person")
    readonly_fields = ("refused", "tenant_link", "source_link", "person")

    def search_condition(self, term: str) -> Q:
        return admin_search.refusal_condition(term)

    @admin.display(description="tenant")
    def tenant_link(self, obj: Any) -> str:
        return link(obj.tenant)

    @admin.display(description="userId")
    def person(self, refusal: Refusal) -> str:
        return refusal.user_id or NOTHING

    @admin.display(description="refused (UTC)")
    def refused(self, refusal: Refusal) -> str:
        return at(refusal.refused_at)

    def cards_after(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        names = ("severity", "code", "path", "message", "remedy")
        findings = [[finding.get(name) or NOTHING for name in names] for finding in obj.findings]
        yield table_card("Findings", [name.capitalize() for name in names], findings)
        yield text_card("The call, its first 2,000 characters", pretty(obj.excerpt))


def pretty(text: str) -> str:
    """Indented when it is JSON; an excerpt that was cut is shown as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def delivery_card(source: Source) -> dict[str, Any]:
    lane = related(source, "lane")
    lists = {"Events": Event, "Batches": Batch, "Attempts": Attempt, "Refusals": Refusal}
    links = [list_link(model, title, source__id__exact=source.pk) for title, model in lists.items()]
    return links_card("Delivery", [link(lane, "Lane"), *links] if lane else links)


def deeds_card(source: Source) -> dict[str, Any]:
    addresses = {title: reverse("staff_act", args=[source.pk, deed]) for deed, (title, *_) in DEEDS.items()}
    addresses["Send again"] = reverse("staff_replay", args=[source.pk])
    links = [staff_link(address, title) for title, address in addresses.items()]
    return links_card("Do something; the next page asks first", links)


SOURCE_CARDS.extend([delivery_card, deeds_card])
