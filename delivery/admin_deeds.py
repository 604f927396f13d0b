"""The staff's pages that do something to a source. Each asks first, wants a reason, and is noted in both histories."""

import uuid
from collections.abc import Callable
from typing import Any, Final, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from delivery import replay, staff_deeds
from delivery.errors import ReplayError
from delivery.replayable import Criteria
from integrations.models import Source
from integrations.staff_admin import over_every_tenant, table_card
from tenants.models import User
from tenants.once import sent_once
from tenants.staff_pages import note_for_staff

DEEDS: Final[dict[str, tuple[str, str, Callable[..., None]]]] = {
    "retry": (
        "Retry now",
        (
            "Waits after failures are forgotten, and what is due is sent at once. A hold stays, and so does a pause "
            "that Segment asked for (429)."
        ),
        staff_deeds.retry_now,
    ),
    "hold": (
        "Hold",
        (
            "Nothing is sent; events are captured and wait. The customer gets a mail with the reason. It ends when "
            "staff resume it, or when the customer replaces the key, changes the region, or resumes a pause."
        ),
        staff_deeds.hold,
    ),
    "resume": (
        "Resume",
        (
            "Holds and waits are forgotten, and sending begins at once. What a refused key held is held again if the "
            "key is still refused."
        ),
        staff_deeds.resume,
    ),
}
"""By the word in the address: title, consequences, what does it."""


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Reason, for the customer's history", max_length=200)


class ReplayForm(ReasonForm):
    batch = forms.IntegerField(label="Batch number", required=False, min_value=1, max_value=2**63 - 1)
    message = forms.UUIDField(label="or messageId of an event", required=False)
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool(given.get("batch")) == bool(given.get("message")):
            raise forms.ValidationError("Give a batch number or a messageId, one of them.")
        return given

    def criteria(self) -> Criteria:
        batch, message = self.cleaned_data["batch"], self.cleaned_data["message"]
        return Criteria(batch_ids=[batch] if batch else [], message_ids=[message] if message else [])


@admin.site.admin_view
@require_http_methods(["GET", "POST"])
@sent_once
@over_every_tenant
def act(request: HttpRequest, source_id: int, deed: str) -> HttpResponse:
    source, by = _asked(request, source_id)
    if deed not in DEEDS:
        raise Http404("There is no such deed.")
    title, consequences, do = DEEDS[deed]
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        do(source, form.cleaned_data["reason"], by=by)
        return _done(request, source, by, f"{title}: {form.cleaned_data['reason']}")
    return _page(request, source, title, [consequences], form)


@admin.site.admin_view
@require_http_methods(["GET", "POST"])
@over_every_tenant
def replay_events(request: HttpRequest, source_id: int) -> HttpResponse:
    """The first form counts; the second, which has the token, does it."""
    source, by = _asked(request, source_id)
    start = {"token": uuid.uuid4().hex, "batch": request.GET.get("batch"), "message": request.GET.get("message")}
    form = ReplayForm(request.POST if request.method == "POST" else None, initial=start)
    counted: replay.Count | None = None
    if form.is_valid():
        try:
            if "do" in request.POST:
                reason, token = form.cleaned_data["reason"], form.cleaned_data["token"]
                done = staff_deeds.replay_for(source, form.criteria(), reason, token=token, by=by)
                message = f"Replay {done.replay.pk} of {done.replay.event_count} events: {reason}"
                return _done(request, source, by, message, fresh=done.fresh)
            counted = replay.count(source, form.criteria())
        except ReplayError as error:
            form.add_error(None, str(error))
    cards = [_count_card(counted)] if counted else []
    nothing = not (counted and counted.events)
    return _page(request, source, "Send again", replay.notes(source), form, cards=cards, counting=nothing)


def _count_card(count: replay.Count) -> dict[str, Any]:
    headers = ["Events", "Accepted before", "May arrive twice", "On their way already", "Gone"]
    row = [count.events, count.accepted_before, count.may_arrive_twice, count.waiting, count.gone]
    return table_card("What would be sent again", headers, [row])


def _asked(request: HttpRequest, source_id: int) -> tuple[Source, User]:
    if not request.user.has_perm("integrations.change_source"):
        raise PermissionDenied
    return get_object_or_404(Source.objects.select_related("tenant"), pk=source_id), cast("User", request.user)


def _done(request: HttpRequest, source: Source, by: User, message: str, *, fresh: bool = True) -> HttpResponse:
    if fresh:
        note_for_staff(source, by, message)
    messages.success(request, f"{source.tenant}, {source}: {message}")
    return redirect("admin:integrations_source_change", source.pk)


def _page(
    request: HttpRequest, source: Source, title: str, notes: list[str], form: forms.Form, **more: Any
) -> HttpResponse:
    context = {
        **admin.site.each_context(request), "title": f"{title}: {source.tenant}, {source}", "deed": title,
        "source": source, "notes": notes, "form": form, **more,
    }  # fmt: skip
    return render(request, "admin/staff/deed.html", context)
