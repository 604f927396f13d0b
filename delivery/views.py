from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from delivery import queries
from integrations.models import Source
from tenants.access import TenantRequest, tenant_view


@tenant_view()
@require_GET
def delivery(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """How a source's events fare: numbers, the newest events, what was refused, and the requests."""
    source = get_object_or_404(Source, pk=source_id)
    context = {
        "source": source,
        "status": queries.status_of(source),
        "events": queries.latest_events(source),
        "refusals": queries.latest_refusals(source),
        "attempts": queries.latest_attempts(source),
        "warning": queries.latest_warning(source),
    }
    return render(request, "delivery/delivery.html", context)
