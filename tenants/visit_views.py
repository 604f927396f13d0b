"""The staff's way into a company's pages, from the admin and back to it."""

from typing import cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from tenants import visits
from tenants.models import Tenant, User
from tenants.once import sent_once
from tenants.staff_pages import staff_link


def link_to_visit(tenant_id: int, to: str) -> SafeString:
    """For the admin's pages of a company and of what it owns; `to` is the path of the customer's page."""
    address = f"{reverse('staff_visit', args=[tenant_id])}?{urlencode({'to': to})}"
    return staff_link(address, "See as the customer sees it")


class VisitForm(forms.Form):
    reason = forms.CharField(label="Reason, for the customer's history", max_length=200)


@admin.site.admin_view
@require_http_methods(["GET", "POST"])
@sent_once
def visit(request: HttpRequest, tenant_id: int) -> HttpResponse:
    """Asks for a reason, once for a visit, and leads to the page `?to=`, or to the overview."""
    if not visits.may_visit(request):
        raise PermissionDenied
    tenant = get_object_or_404(Tenant, pk=tenant_id)
    to = _page_of(tenant, request.GET.get("to", ""))
    under_way = visits.visit_to(request, tenant.slug)
    if under_way is not None and not under_way.is_over:
        return redirect(to)
    form = VisitForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        visits.begin(request, tenant, form.cleaned_data["reason"], by=cast("User", request.user))
        # By this door, so that the same form, sent again when the visit is over, leads to no page that is closed.
        return redirect(request.get_full_path())
    context = {
        **admin.site.each_context(request), "title": f"See {tenant} as the customer sees it", "form": form,
        "tenant": tenant, "minutes": visits.MINUTES, "back": reverse("admin:tenants_tenant_change", args=[tenant.pk]),
    }  # fmt: skip
    return render(request, "admin/staff/visit.html", context)


@admin.site.admin_view
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    visited = visits.visit_of(request)
    visits.leave(request)
    return redirect("admin:tenants_tenant_change", visited.tenant_id) if visited else redirect("admin:index")


def _page_of(tenant: Tenant, path: str) -> str:
    """The path when it is one of this company's pages; anything else, another site's address too, is the overview."""
    try:
        is_theirs = resolve(path.partition("?")[0]).kwargs.get("tenant_slug") == tenant.slug
    except Resolver404:
        is_theirs = False
    return path if is_theirs else reverse("tenants:overview", args=[tenant.slug])
