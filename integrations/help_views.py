from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from integrations.catalog import help_page as catalog
from tenants.access import TenantRequest, tenant_view


@tenant_view()
@require_GET
def help_page(request: TenantRequest) -> HttpResponseBase:
    """How to connect Segment, what is sent, and what to do when nothing arrives."""
    return render(request, "integrations/help.html", {"document": catalog.help_page()})
