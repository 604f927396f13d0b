"""Who may see what: the one door to everything under /t/<slug>/."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse

from tenants.enums import Role
from tenants.models import Membership, Tenant, User
from tenants.scoping import scope

P = ParamSpec("P")


class TenantRequest(HttpRequest):
    """What a view behind `tenant_view` is called with."""

    user: User
    tenant: Tenant
    membership: Membership


TenantView = Callable[Concatenate[TenantRequest, P], HttpResponseBase]


def tenant_view(role: Role = Role.VIEWER) -> Callable[[TenantView[P]], Callable[..., HttpResponseBase]]:
    """Let a function view be seen by members of the tenant in its URL who have this role, or one that includes it.

    The URL's `tenant_slug` is taken off the arguments; `request.tenant` and `request.membership` are set, and the
    tenant's scope is active until the response is rendered. A streaming response is not covered: its generator has
    to enter the scope itself, or its queries fail.
    """

    def decorate(view: TenantView[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, tenant_slug: str, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            admitted = cast("TenantRequest", request)
            admitted.membership = _membership(admitted.user, tenant_slug)
            admitted.tenant = admitted.membership.tenant
            if not Role(admitted.membership.role).includes(role):
                raise PermissionDenied(f"This needs the role {role.label.lower()} in {admitted.tenant}.")
            with scope(admitted.tenant.pk):
                response = view(admitted, *args, **kwargs)
                # A TemplateResponse would be rendered by the handler, after the scope has ended.
                if isinstance(response, SimpleTemplateResponse):
                    response.render()
                return response

        return wrapper

    return decorate


def _membership(user: User, tenant_slug: str) -> Membership:
    """A foreign tenant answers exactly as one that does not exist."""
    membership = Membership.objects.select_related("tenant").filter(tenant__slug=tenant_slug, user=user).first()
    if membership is None:
        raise Http404("No such page.")
    return membership
