from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.errors import TenantError
from tenants.forms import TenantNameForm
from tenants.models import User
from tenants.once import sent_once
from tenants.queries import members_of, tenants_of
from tenants.services import create_tenant, rename_tenant

MEMBERS_SHOWN = 10
"""On the overview; the page of members has them all."""


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Send a member to the only tenant there is; offer the choice of several, and the making of the first."""
    user = cast("User", request.user)
    tenants = list(tenants_of(user))
    if not tenants:
        return redirect("tenants:create")
    if len(tenants) == 1:
        return redirect("tenants:overview", tenants[0].slug)
    return render(request, "tenants/choose.html", {"tenants": tenants})


@login_required
@require_http_methods(["GET", "POST"])
@sent_once
def create(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    form = TenantNameForm(request.POST or None)
    if form.is_valid():
        try:
            tenant = create_tenant(form.cleaned_data["name"], user, by=user)
        except TenantError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"{tenant} is set up.")
            return redirect("tenants:overview", tenant.slug)
    return render(request, "tenants/create.html", {"form": form})


@tenant_view()
@require_GET
def overview(request: TenantRequest) -> HttpResponseBase:
    members = members_of(request.tenant)
    return render(request, "tenants/overview.html", {"members": members[:MEMBERS_SHOWN], "count": members.count()})


@tenant_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def settings(request: TenantRequest) -> HttpResponseBase:
    form = TenantNameForm(request.POST or None, initial={"name": request.tenant.name})
    if form.is_valid():
        try:
            rename_tenant(request.tenant, form.cleaned_data["name"], by=request.user)
        except TenantError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, "The name is saved.")
            return redirect("tenants:settings", request.tenant.slug)
    return render(request, "tenants/settings.html", {"form": form})
