"""The pages of erasing: what is kept how long, a person or the company erased on request, and the receipts."""

from typing import cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from tenants.access import TenantRequest, tenant_view
from tenants.closing import delete_tenant
from tenants.enums import PersonField, Role
from tenants.erasure import ask_for_person
from tenants.errors import TenantError
from tenants.exports.services import newest_export
from tenants.forms import PersonForm, TypedNameForm
from tenants.models import Erasure, Membership, User
from tenants.once import sent_once
from tenants.queries import page_of
from tenants.scoping import every_tenant


@tenant_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
@sent_once
def privacy(request: TenantRequest) -> HttpResponseBase:
    """Every form of a person is confirmed by typing the id, so it needs no page that asks again."""
    form = PersonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        field: PersonField = form.cleaned_data["field"]
        asked = ask_for_person(request.tenant, field, form.cleaned_data["value"], by=request.user)
        messages.success(request, "The erasure begins within a minute. This page is its receipt.")
        return redirect("tenants:receipt", asked.pk)
    context = {
        "form": form, "page": page_of(Erasure.objects.order_by("-asked_at"), request),
        "event_days": settings.EVENT_RETENTION_DAYS, "batch_days": settings.BATCH_RETENTION_DAYS,
        "export": newest_export(), "export_days": settings.EXPORT_DAYS,
        "refusal_days": settings.REFUSAL_RETENTION_DAYS, "key_hours": settings.MESSAGE_KEY_HOURS,
    }  # fmt: skip
    return render(request, "tenants/privacy.html", context)


@sent_once
@tenant_view(Role.OWNER)
@require_http_methods(["GET", "POST"])
def delete(request: TenantRequest) -> HttpResponseBase:
    form = TypedNameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            asked = delete_tenant(request.tenant, form.cleaned_data["name"], by=request.user)
        except TenantError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"{request.tenant} is closed, and its data is being erased. Keep this address.")
            return redirect("tenants:receipt", asked.pk)
    return render(request, "tenants/delete.html", {"form": form})


@login_required
@require_GET
def receipt(request: HttpRequest, erasure_id: UUID) -> HttpResponse:
    return render(request, "tenants/receipt.html", {"erasure": _receipt(request, erasure_id)})


@login_required
@require_GET
def receipt_file(request: HttpRequest, erasure_id: UUID) -> HttpResponse:
    shown = _receipt(request, erasure_id)
    response = JsonResponse(as_dict(shown), json_dumps_params={"indent": 2})
    response["Content-Disposition"] = f'attachment; filename="receipt-{shown.pk}.json"'
    return response


def as_dict(erasure: Erasure) -> dict[str, object]:
    names = ("kind", "subject", "tenant_name", "digest", "counts", "by_label", "asked_at", "begun_at", "done_at")
    return {"id": str(erasure.pk)} | {name: getattr(erasure, name) for name in names}


def _receipt(request: HttpRequest, erasure_id: UUID) -> Erasure:
    """For who asked, also when the company is gone, and for its owners and admins. Others do not learn that it is."""
    user = cast("User", request.user)
    with every_tenant():
        found = Erasure.objects.filter(pk=erasure_id).first()
    if found is None or not (found.by_id == user.pk or _may_read(user, found)):
        raise Http404("No such page.")
    return found


def _may_read(user: User, erasure: Erasure) -> bool:
    roles = [Role.OWNER, Role.ADMIN]
    return Membership.objects.filter(tenant=erasure.tenant_number, user=user, role__in=roles).exists()
