"""Sending again what has ended: the count first, then once, by an admin, and noted in the history."""

import uuid

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from delivery import replay
from delivery.enums import GIVEN_UP
from delivery.errors import ReplayError
from delivery.models import Batch, Event, Replay
from delivery.pages.forms import ResendForm
from delivery.replayable import Criteria
from integrations.models import Source
from tenants import audit
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role

get_or_post = require_http_methods(["GET", "POST"])


@tenant_view(Role.ADMIN)
@get_or_post
def resend(request: TenantRequest, source_id: int, event_id: int) -> HttpResponseBase:
    source = get_object_or_404(Source, pk=source_id)
    event = Event.objects.filter(source=source, pk=event_id).first()
    if event is None:
        return render(request, "delivery/no_event.html", {"source": source}, status=404)
    back = redirect("delivery:event", request.tenant.slug, source.pk, event.pk)
    return _resend(request, source, Criteria(event_ids=[event.pk]), back, {"event": event})


@tenant_view(Role.ADMIN)
@get_or_post
def resend_given_up(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """All that is set aside or quarantined."""
    source = get_object_or_404(Source, pk=source_id)
    batches = Batch.objects.filter(source=source, state__in=GIVEN_UP).order_by("pk").values_list("pk", flat=True)
    back = redirect("delivery:delivery", request.tenant.slug, source.pk)
    return _resend(request, source, Criteria(batch_ids=list(batches)), back, {})


def _resend(
    request: TenantRequest, source: Source, criteria: Criteria, back: HttpResponseRedirect, context: dict[str, object]
) -> HttpResponseBase:
    if request.method == "POST":
        form = ResendForm(request.POST)
        if not form.is_valid():
            raise Http404("This form was not made by us.")
        _carry_out(request, source, criteria, _token(source, form.cleaned_data["token"]))
        return back
    try:
        counted = replay.count(source, criteria)
    except ReplayError as error:
        messages.error(request, _in_words(error, criteria))
        return back
    form = ResendForm(initial={"token": uuid.uuid4()})
    context |= {"source": source, "counted": counted, "notes": replay.notes(source), "form": form, "back": back.url}
    return render(request, "delivery/resend.html", context)


def _carry_out(request: TenantRequest, source: Source, criteria: Criteria, token: str) -> None:
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
