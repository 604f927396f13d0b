"""A tenant's page of alerts, and the public page behind the link at the end of each mail."""

from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from delivery.alerts.forms import ChoiceForm, LimitsForm
from delivery.alerts.links import member_of
from delivery.alerts.models import AlertChoice, AlertLimits, Incident
from delivery.alerts.telling import choice_of
from tenants.access import TenantRequest, tenant_view
from tenants.audit import note
from tenants.enums import Role
from tenants.models import Membership
from tenants.queries import page_of
from tenants.scoping import scope

OPEN_SHOWN: Final = 50

get_or_post = require_http_methods(["GET", "POST"])


@tenant_view()
@get_or_post
def alerts(request: TenantRequest) -> HttpResponseBase:
    """What is and was wrong; and, for each member, what of it is sent to them."""
    chosen = choice_of(request.membership)
    initial = {"kinds": chosen.kinds, "recovered": chosen.recovered}
    form = ChoiceForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        _choose(request.membership, form.cleaned_data["kinds"], recovered=form.cleaned_data["recovered"])
        messages.success(request, "Your choice is saved.")
        return redirect("delivery:alerts", request.tenant.slug)
    incidents = Incident.objects.select_related("source").order_by("-pk")
    still_open = list(incidents.filter(closed_at=None)[: OPEN_SHOWN + 1])
    context = {
        "form": form,
        "limits": AlertLimits.objects.first() or AlertLimits(),
        "open": still_open[:OPEN_SHOWN],
        "others_open": len(still_open) > OPEN_SHOWN,
        "page": page_of(incidents.exclude(closed_at=None), request),
    }
    return render(request, "delivery/alerts.html", context)


@tenant_view(Role.ADMIN)
@get_or_post
def limits(request: TenantRequest) -> HttpResponseBase:
    stored = AlertLimits.objects.first() or AlertLimits(tenant=request.tenant)
    form = LimitsForm(request.POST if request.method == "POST" else None, instance=stored)
    if form.is_valid():
        values = form.cleaned_data
        with transaction.atomic():
            AlertLimits.objects.update_or_create(tenant=request.tenant, defaults=values)
            note(request.tenant.pk, request.user, "changed the limits of alerts of", request.tenant.name, **values)
        messages.success(request, "The limits are saved. They hold from the next look on, within a minute.")
        return redirect("delivery:alerts", request.tenant.slug)
    return render(request, "delivery/alert_limits.html", {"form": form})


@csrf_exempt  # mail programs post here by themselves (RFC 8058); the link is the permission
@never_cache
@get_or_post
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, POST does it: mail scanners follow every link they find."""
    member = member_of(token)
    if member is None:
        return render(request, "delivery/alerts_stop.html", {"member": None}, status=404)
    with scope(member.tenant_id):
        if request.method == "POST":
            _choose(member, [], recovered=choice_of(member).recovered)
        done = request.method == "POST" or not choice_of(member).kinds
    return render(request, "delivery/alerts_stop.html", {"member": member, "done": done})


@transaction.atomic
def _choose(member: Membership, kinds: list[str], *, recovered: bool) -> None:
    AlertChoice.objects.update_or_create(membership=member, defaults={"kinds": kinds, "recovered": recovered})
    note(member.tenant_id, member.user, "chose the alerts of", member.user.email, kinds=", ".join(kinds) or None)
