"""Into the shadow, and out of it: each with what it does, said first."""

from datetime import datetime
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from delivery.shadow import catch_up, switch_on
from delivery.shadow_models import GoingLive
from integrations.deeds import Deed, carry_out
from integrations.enums import SourceState
from integrations.errors import SourceStateError
from integrations.models import Source
from integrations.services import enter_shadow
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role

get_or_post = require_http_methods(["GET", "POST"])

MOMENT: Final = "%Y-%m-%dT%H:%M"


class CatchUpForm(forms.Form):
    """From when on what was captured in shadow is sent."""

    catch_up = forms.ChoiceField(
        label="What was captured in shadow",
        choices=[
            ("nothing", "Send none of it: begin with what happens from now on"),
            ("since", "Send what was captured since a time"),
            ("all", "Send all of it"),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one.", "invalid_choice": "Choose one of these."},
    )
    since = forms.DateTimeField(
        label="Since (UTC)",
        required=False,
        input_formats=[MOMENT, "%Y-%m-%d %H:%M", "%Y-%m-%d"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
        error_messages={"invalid": "Write a day and a time, such as 2026-11-22 14:00."},
    )

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("catch_up") == "since" and not self.errors and not self.cleaned_data["since"]:
            self.add_error("since", "Say since when.")
        return self.cleaned_data

    def moment(self, source: Source) -> datetime:
        if self.cleaned_data["catch_up"] == "since":
            moment: datetime = self.cleaned_data["since"]
            return moment
        beginning = source.shadow_since if self.cleaned_data["catch_up"] == "all" else None
        return beginning or timezone.now()


@tenant_view(Role.ADMIN)
@get_or_post
def enter(request: TenantRequest, source_id: int) -> HttpResponseBase:
    source = get_object_or_404(Source, pk=source_id)
    if request.method != "POST":
        return render(request, "delivery/enter_shadow.html", {"source": source})
    deed = Deed(
        act=partial(enter_shadow, source),
        note="put in shadow",
        done="is in shadow. Events are captured and shown, and nothing is sent.",
        is_done=lambda: source.state == SourceState.SHADOW,
    )
    carry_out(request, source, deed)
    return _to_source(request, source)


@tenant_view(Role.ADMIN)
@get_or_post
def live(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """Ask what to catch up with; show what that means; by POST, do it."""
    source = get_object_or_404(Source, pk=source_id)
    if source.state != SourceState.SHADOW or GoingLive.objects.filter(pk=source.pk).exists():
        return _not_in_shadow(request, source)
    given = request.POST if request.method == "POST" else request.GET
    form = CatchUpForm(given if "catch_up" in given else None)
    # Scripts put the times of a page into the reader's zone; what is typed here is read as UTC.
    form.fields["since"].help_text = f"The shadow began {source.shadow_since:%Y-%m-%d %H:%M} UTC."
    context = {"source": source, "form": form}
    if form.is_valid():
        if request.method == "POST":
            return _switch_on(request, source, form.moment(source))
        context["plan"] = catch_up(source, form.moment(source))
    return render(request, "delivery/go_live.html", context)


def _switch_on(request: TenantRequest, source: Source, since: datetime) -> HttpResponse:
    try:
        done = switch_on(source, since, by=request.user)
    except SourceStateError:
        return _not_in_shadow(request, source)
    if not done:
        soon = "is being switched on: what is left out is put aside first, for some minutes."
        messages.success(request, f"“{source.name}” {soon}")
        return _to_source(request, source)
    messages.success(request, f"“{source.name}” is sending now.")
    if source.is_confirmed:
        return _to_source(request, source)
    # In shadow no test event could be sent, so nobody knows yet whether this key and region are right.
    return redirect("integrations:check", request.tenant.slug, source.pk)


def _not_in_shadow(request: TenantRequest, source: Source) -> HttpResponse:
    """The form was sent twice, or somebody else was faster with another choice; which one, the history says."""
    is_going = GoingLive.objects.filter(pk=source.pk).exists()
    now = "is being switched on already" if is_going else f"is {source.get_state_display().lower()}, and not in shadow"
    messages.info(request, f"“{source.name}” {now}. Nothing was changed.")
    return _to_source(request, source)


def _to_source(request: TenantRequest, source: Source) -> HttpResponse:
    return redirect("integrations:source", request.tenant.slug, source.pk)
