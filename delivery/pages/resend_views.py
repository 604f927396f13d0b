"""Sending again what has ended: the count first, then once, by an admin, and noted in the history."""

import uuid
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.http import Http404, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from delivery import replay
from delivery.enums import GIVEN_UP
from delivery.errors import ReplayError
from delivery.models import Batch, Event, Replay
from delivery.pages.forms import ResendForm, ResendGivenUpForm
from delivery.replayable import Criteria
from integrations.models import Source
from tenants import audit
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role

get_or_post = require_http_methods(["GET", "POST"])

MOST_AT_ONCE: Final = 50_000
"""Events that were given up: each is looked at by the page that counts them, and again when they are sent."""


@tenant_view(Role.ADMIN)
@get_or_post
def resend(request: TenantRequest, source_id: int, event_id: int) -> HttpResponseBase:
    source = get_object_or_404(Source, pk=source_id)
    event = Event.objects.filter(source=source, pk=event_id).first()
    if event is None:
        return render(request, "delivery/no_event.html", {"source": source}, status=404)
    criteria = Criteria(event_ids=[event.pk])
    back = redirect("delivery:event", request.tenant.slug, source.pk, event.pk)
    if request.method == "POST":
        _carry_out(request, source, criteria, _sent(ResendForm(request.POST))["token"])
        return back
    form = ResendForm(initial={"token": uuid.uuid4()})
    return _count(request, source, criteria, back, {"event": event, "form": form})


@tenant_view(Role.ADMIN)
@get_or_post
def resend_given_up(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """What is set aside or quarantined, the oldest first: of very much a part at a time."""
    source = get_object_or_404(Source, pk=source_id)
    given_up = Batch.objects.filter(source=source, state__in=GIVEN_UP).order_by("pk")
    back = redirect("delivery:delivery", request.tenant.slug, source.pk)
    if request.method == "POST":
        sent = _sent(ResendGivenUpForm(request.POST))
        # An older batch may have been given up since the count: it was not counted, and nobody was warned of it.
        counted = given_up.filter(pk__lte=sent["last_batch"], closed_at__lte=sent["closed_by"])
        _carry_out(request, source, Criteria(batch_ids=list(counted.values_list("pk", flat=True))), sent["token"])
        return back
    part = _oldest(given_up)
    last = {"last_batch": max(part.batch_ids, default=0), "closed_by": part.closed_by}
    form = ResendGivenUpForm(initial={"token": uuid.uuid4(), **last})
    return _count(request, source, Criteria(batch_ids=part.batch_ids), back, {"part": part, "form": form})


@dataclass(frozen=True, slots=True)
class Part:
    """The oldest of what was given up: `events` of `total`, in batches none of which was closed after `closed_by`."""

    batch_ids: list[int]
    events: int
    total: int
    closed_by: str


def _oldest(given_up: QuerySet[Batch]) -> Part:
    rows = list(given_up.values_list("pk", "event_count", "closed_at")[: MOST_AT_ONCE + 1])
    counts = accumulate(count for _, count, _ in rows)
    taken = [row for row, so_far in zip(rows, counts, strict=True) if so_far <= MOST_AT_ONCE]
    events = sum(count for _, count, _ in taken)
    total = events if len(taken) == len(rows) else given_up.aggregate(total=Sum("event_count"))["total"]
    closed_by = max((closed_at for _, _, closed_at in taken if closed_at), default=None)
    # As text: of a time, the field of a form would leave out the microseconds.
    return Part([pk for pk, _, _ in taken], events, total, closed_by.isoformat() if closed_by else "")


def _sent(form: ResendForm) -> dict[str, Any]:
    if not form.is_valid():
        raise Http404("This form was not made by us.")
    return form.cleaned_data


def _count(
    request: TenantRequest, source: Source, criteria: Criteria, back: HttpResponseRedirect, context: dict[str, object]
) -> HttpResponseBase:
    try:
        counted = replay.count(source, criteria)
    except ReplayError as error:
        messages.error(request, _in_words(error, criteria))
        return back
    context |= {"source": source, "counted": counted, "notes": replay.notes(source), "back": back.url}
    return render(request, "delivery/resend.html", context)


def _carry_out(request: TenantRequest, source: Source, criteria: Criteria, given: uuid.UUID) -> None:
    token = _token(source, given)
    # Clicked twice: by then there may be nothing left that the second one could ask for.
    if done := Replay.objects.filter(source=source, token=token).first():
        messages.success(request, _done(done))
        return
    try:
        with transaction.atomic():
            replayed = replay.replay(source, criteria, token=token, requested_by=request.user.email)
            if replayed.fresh:
                counts = {"events": replayed.replay.event_count, "replay": replayed.replay.pk}
                audit.note(request.tenant.pk, request.user, "sent again events of", source.name, **counts)
    except ReplayError as error:
        messages.error(request, _in_words(error, criteria))
    else:
        messages.success(request, _done(replayed.replay))


def _done(done: Replay) -> str:
    events = "1 event is" if done.event_count == 1 else f"{done.event_count:,} events are"
    return f"{events} on the way to Segment again."


def _in_words(error: ReplayError, criteria: Criteria) -> str:
    if criteria.event_ids or criteria.batch_ids:
        return str(error)
    return "Nothing is set aside or quarantined: there is nothing to send again."


def _token(source: Source, given: uuid.UUID) -> str:
    """Of this source, so that one that is used elsewhere means nothing here."""
    return f"{source.pk}-{given}"
