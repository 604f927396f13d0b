"""Who may see what: the one door to everything under /t/<slug>/."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, cast
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import SimpleTemplateResponse
from django.urls import reverse

from tenants import visits
from tenants.enums import Role
from tenants.models import Membership, Tenant, User
from tenants.scoping import scope
from tenants.signed_out import to_log_in

P = ParamSpec("P")

LOOKING: Final = ("GET", "HEAD")


class TenantRequest(HttpRequest):
    """What a view behind `tenant_view` is called with. `membership` is a viewer's, and not stored, in a `visit`."""

    user: User
    tenant: Tenant
    membership: Membership
    visit: visits.Visit | None


TenantView = Callable[Concatenate[TenantRequest, P], HttpResponseBase]


def tenant_view(role: Role = Role.VIEWER) -> Callable[[TenantView[P]], Callable[..., HttpResponseBase]]:
    """Let a function view be seen by members of the tenant in its URL who have this role, or one that includes it.

    The URL's `tenant_slug` is taken off the arguments; `request.tenant` and `request.membership` are set, and the
    tenant's scope is active until the response is rendered. A streaming response is not covered: its generator has
    to enter the scope itself, or its queries fail.

    Staff on a visit (tenants/visits.py) see what a viewer sees, and whatever they send is refused.
    """

    def decorate(view: TenantView[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, tenant_slug: str, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_log_in(request)
            admitted = cast("TenantRequest", request)
            admitted.visit = visits.visit_to(request, tenant_slug)
            if admitted.visit and admitted.visit.is_over:
                return _ask_again(admitted, admitted.visit)
            _admit(admitted, tenant_slug)
            may_see = Role(admitted.membership.role).includes(role)
            if admitted.visit and not (may_see and request.method in LOOKING):
                return render(request, "tenants/visit_refused.html", status=403)
            if not may_see:
                raise PermissionDenied(f"This needs the role {role.label.lower()} in {admitted.tenant}.")
            with scope(admitted.tenant.pk), visits.unchanging() if admitted.visit else nullcontext():
                response = view(admitted, *args, **kwargs)
                # A TemplateResponse would be rendered by the handler, after the scope has ended.
                if isinstance(response, SimpleTemplateResponse):
                    response.render()
                return response

        return wrapper

    return decorate


def _admit(request: TenantRequest, tenant_slug: str) -> None:
    # The visit counts, also for staff who are members: its banner says that nothing can be changed.
    if request.visit:
        request.membership = visits.visitor(request.visit, request.user)
    else:
        request.membership = _membership(request.user, tenant_slug)
    request.tenant = request.membership.tenant


def _ask_again(request: TenantRequest, visit: visits.Visit) -> HttpResponseBase:
    """For the reason, and then on to the page that was asked for."""
    visits.leave(request)
    to = urlencode({"to": request.get_full_path()})
    return redirect(f"{reverse('staff_visit', args=[visit.tenant_id])}?{to}")


def _membership(user: User, tenant_slug: str) -> Membership:
    """A foreign tenant answers exactly as one that does not exist."""
    membership = Membership.objects.select_related("tenant").filter(tenant__slug=tenant_slug, user=user).first()
    if membership is None:
        raise Http404("No such page.")
    return membership
