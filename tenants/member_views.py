"""The pages of a tenant's members. What changes something asks first, and is done by tenants.members.

Who sends such a form twice may have no right to its page any more the second time.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from tenants import members as services
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.errors import MemberError, RoleConflictError
from tenants.forms import RoleForm
from tenants.models import Membership
from tenants.once import NothingDone, sent_once
from tenants.queries import members_of, page_of, searched

SEEN: Final = "seen"
"""The field with the role that the page showed."""

get_or_post = require_http_methods(["GET", "POST"])


@tenant_view()
@require_GET
def members(request: TenantRequest) -> HttpResponseBase:
    search = searched(request)
    page = page_of(members_of(request.tenant, search), request)
    for member in page:
        member.is_changeable = request.membership.may_change(member)  # type: ignore[attr-defined]  # no field: the page's template asks
    return render(request, "tenants/members.html", {"page": page, "search": search})


@sent_once
@tenant_view(Role.ADMIN)
@get_or_post
def member(request: TenantRequest, user_id: int) -> HttpResponseBase:
    shown = _find(request, user_id)
    if shown is None:
        return _refused(request, services.GONE)
    form = RoleForm(request.POST or None, giver=request.membership, initial={"role": shown.role})
    seen, is_conflict = request.POST.get(SEEN, shown.role), False
    if request.method == "POST":
        _require_right(request, shown)
        if form.is_valid():
            role: Role = form.cleaned_data["role"]
            change = partial(services.change_role, request.tenant, shown.user, role, by=request.user, seen=seen)
            try:
                return _carry_out(request, change, f"{shown.user} is {role.label.lower()} now.")
            except RoleConflictError as conflict:
                seen = shown.role = conflict.role
                is_conflict = True
    may_change = request.membership.may_change(shown)
    context = {"form": form, "shown": shown, "may_change": may_change, "seen": seen, "is_conflict": is_conflict}
    return render(request, "tenants/member.html", context, status=409 if is_conflict else 200)


@sent_once
@tenant_view(Role.ADMIN)
@get_or_post
def remove(request: TenantRequest, user_id: int) -> HttpResponseBase:
    shown = _find(request, user_id)
    if shown is None:
        return _refused(request, services.GONE)
    _require_right(request, shown)
    if request.method == "POST":
        remove_member = partial(services.remove_member, request.tenant, shown.user, by=request.user)
        return _carry_out(request, remove_member, f"{shown.user} is no longer a member.")
    return render(request, "tenants/remove.html", {"shown": shown})


@sent_once
@tenant_view(Role.OWNER)
@get_or_post
def transfer(request: TenantRequest, user_id: int) -> HttpResponseBase:
    shown = _find(request, user_id)
    if shown is None:
        return _refused(request, services.GONE)
    if request.method == "POST":
        hand_over = partial(services.transfer_ownership, request.tenant, shown.user, by=request.user)
        return _carry_out(request, hand_over, f"{shown.user} is an owner now, and you are an admin.")
    return render(request, "tenants/transfer.html", {"shown": shown})


@sent_once
@tenant_view()
@get_or_post
def leave(request: TenantRequest) -> HttpResponseBase:
    if request.method == "POST":
        try:
            services.leave_tenant(request.tenant, request.user)
        except MemberError as error:
            return _refused(request, str(error))
        messages.success(request, f"You have left {request.tenant}.")
        return redirect("tenants:home")
    return render(request, "tenants/leave.html")


def _find(request: TenantRequest, user_id: int) -> Membership | None:
    """None also when somebody else has just removed them: the list was older than that."""
    return Membership.objects.select_related("user").filter(tenant=request.tenant, user_id=user_id).first()


def _require_right(request: TenantRequest, shown: Membership) -> None:
    if not request.membership.may_change(shown):
        raise PermissionDenied("An admin does not change what an owner is.")


def _carry_out(request: TenantRequest, change: Callable[[], None], done: str) -> HttpResponse:
    """Do it and say how it went; if somebody else was faster, nothing is done."""
    try:
        change()
    except MemberError as error:
        return _refused(request, str(error))
    messages.success(request, done)
    return redirect("tenants:members", request.tenant.slug)


def _refused(request: TenantRequest, why: str) -> HttpResponse:
    messages.error(request, why)
    return NothingDone(reverse("tenants:members", args=[request.tenant.slug]))
