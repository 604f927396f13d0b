"""What the tenant's pages have in common."""

from typing import Any, TypeVar

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from tenants.access import TenantRequest
from tenants.enums import Role

ROWS_PER_PAGE = 50

Row = TypeVar("Row", bound=Model)


def tenant_page(request: TenantRequest, template: str, **context: Any) -> HttpResponse:
    """Render a page; `may_edit` tells it whether to offer what this member could not do anyway."""
    may_edit = Role(request.membership.role).includes(Role.ADMIN)
    return render(request, f"campaigns/{template}", {"may_edit": may_edit, "demo": settings.DEMO, **context})


def rows_of(rows: QuerySet[Row], request: TenantRequest) -> Page[Row]:
    """The rows of the page that the address asks for; a number out of range gives the nearest."""
    return Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page"))
