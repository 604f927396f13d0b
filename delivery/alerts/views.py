"""A tenant's page of alerts, and the public page behind the link at the end of each mail."""

from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from delivery.alerts.forms import ChoiceForm, LimitsForm
from delivery.alerts.links import member_of
from delivery.alerts.models import AlertChoice, AlertLimits, Incident
from delivery.alerts.telling import choice_of
from integrations.deeds import SEEN
from integrations.errors import EditConflictError
from integrations.locking import require_unchanged, stamp
from integrations.views import get_or_post, posted
from tenants.access import TenantRequest, tenant_view
from tenants.audit import note
from tenants.enums import Role
from tenants.members import lock_tenant
from tenants.models import Membership, Tenant
from tenants.queries import page_of
from tenants.scoping import scope

OPEN_SHOWN: Final = 50

EDITED: Final = ("backlog_minutes", "refused_an_hour")
"""What the form of the limits shows."""


@tenant_view()
@get_or_post
def alerts(request: TenantRequest) -> HttpResponseBase:
    """What is and was wrong; and, for each member, what of it is sent to them."""
    chosen = choice_of(request.membership)
    initial = {"kinds": chosen.kinds, "recovered": chosen.recovered}
    form = ChoiceForm(posted(request), initial=initial)
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
    """A mistake keeps the stamp of the page that was opened first; a conflict shows what somebody has set meanwhile."""
    stored, theirs = _limits_of(request.tenant), None
    seen = request.POST.get(SEEN, stamp(stored, *EDITED))
    form = LimitsForm(posted(request), instance=stored)
    if form.is_valid():
        try:
            _set_limits(request, form.cleaned_data)
        except EditConflictError:
            theirs = _limits_of(request.tenant)
            seen = stamp(theirs, *EDITED)
        else:
            messages.success(request, "The limits are saved. They hold from the next look on, within a minute.")
            return redirect("delivery:alerts", request.tenant.slug)
    context = {"form": form, "seen": seen, "theirs": theirs}
    return render(request, "delivery/alert_limits.html", context, status=409 if theirs else 200)


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


def _limits_of(tenant: Tenant) -> AlertLimits:
    return AlertLimits.objects.first() or AlertLimits(tenant=tenant)


@transaction.atomic
def _set_limits(request: TenantRequest, values: dict[str, int]) -> None:
    """Once, however often the form is sent. Raises EditConflictError."""
    lock_tenant(request.tenant)
    stored = _limits_of(request.tenant)
    if values == {name: getattr(stored, name) for name in EDITED}:
        return
    require_unchanged(stored, request.POST.get(SEEN), *EDITED)
    AlertLimits.objects.update_or_create(tenant=request.tenant, defaults=values)
    note(request.tenant.pk, request.user, "changed the limits of alerts of", request.tenant.name, **values)


@transaction.atomic
def _choose(member: Membership, kinds: list[str], *, recovered: bool) -> None:
    AlertChoice.objects.update_or_create(membership=member, defaults={"kinds": kinds, "recovered": recovered})
    note(member.tenant_id, member.user, "chose the alerts of", member.user.email, kinds=", ".join(kinds) or None)
