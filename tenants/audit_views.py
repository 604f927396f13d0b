from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.queries import audit_entries, page_of, searched


@tenant_view(Role.ADMIN)
@require_GET
def audit(request: TenantRequest) -> HttpResponseBase:
    person, what = searched(request, "person"), searched(request, "what")
    page = page_of(audit_entries(person, what), request)
    for entry in page:
        # For the page alone: nothing of it is saved. The database has its own order, in which “after” comes first.
        details = sorted(entry.details.items(), key=lambda detail: detail[0] != "before")
        entry.details = {name.replace("_", " "): value for name, value in details}
    return render(request, "tenants/audit.html", {"page": page, "person": person, "what": what})
