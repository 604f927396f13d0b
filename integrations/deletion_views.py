from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from integrations.deletion import delete_source
from integrations.models import Source
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.errors import TenantError
from tenants.forms import TypedNameForm
from tenants.once import sent_once


@tenant_view(Role.OWNER)
@require_http_methods(["GET", "POST"])
@sent_once
def delete(request: TenantRequest, source_id: int) -> HttpResponseBase:
    """Unlike a disconnected source, a deleted one takes all that it captured along."""
    shown = get_object_or_404(Source.objects.select_related("tenant"), pk=source_id)
    form = TypedNameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            asked = delete_source(shown, form.cleaned_data["name"], by=request.user)
        except TenantError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"“{shown.name}” is deleted, and what it captured is being erased.")
            return redirect("tenants:receipt", asked.pk)
    return render(request, "integrations/delete.html", {"source": shown, "form": form})
