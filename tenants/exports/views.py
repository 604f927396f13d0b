"""The pages of a company's export: asking for it, how far it is, and the file."""

import re

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from tenants.access import TenantRequest, tenant_view
from tenants.audit import note
from tenants.enums import Role
from tenants.errors import TenantError
from tenants.exports.models import Export
from tenants.exports.services import ask_for_export, file_of, newest_export
from tenants.once import sent_once

GONE = "The file is deleted. Ask for a new export."


@tenant_view(Role.OWNER)
@require_http_methods(["GET", "POST"])
@sent_once
def export(request: TenantRequest) -> HttpResponseBase:
    """GET says what it is, POST asks for it."""
    if request.method != "POST":
        return render(request, "tenants/export_confirm.html", {"export_days": settings.EXPORT_DAYS})
    try:
        ask_for_export(request.tenant, by=request.user)
    except TenantError as error:
        messages.info(request, str(error))
    else:
        messages.success(request, "The export begins within a minute. You get a mail when it is ready.")
    return redirect("tenants:privacy", request.tenant.slug)


@tenant_view(Role.OWNER)
@require_GET
def state(request: TenantRequest) -> HttpResponse:
    """The part of the page of privacy that changes: it asks for itself while an export is being made."""
    return render(
        request, "tenants/export_state.html", {"export": newest_export(), "export_days": settings.EXPORT_DAYS}
    )


@tenant_view(Role.OWNER)
@require_GET
def file(request: TenantRequest, token: str) -> HttpResponseBase:
    """Streamed from its pieces, so that it is never in memory as a whole."""
    found = Export.of_token(token)
    if found is None:
        raise Http404("No such page.")
    if not found.is_ready:
        messages.error(request, GONE)
        return redirect("tenants:privacy", request.tenant.slug)
    start = _resumed_at(request, found)
    if start is not None and start >= found.bytes:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{found.bytes}"})
    # One that goes on too: a range may be nearly all of it.
    note(request.tenant.pk, request.user, "downloaded the export that", f"{found.by_label} had asked for")
    return _download(found, start, f"{request.tenant.slug}-{found.asked_at:%Y-%m-%d}.zip")


def _resumed_at(request: TenantRequest, found: Export) -> int | None:
    """From which byte a download that broke off goes on. Another kind of range is answered with the whole file."""
    asked = re.fullmatch(r"bytes=(\d{1,15})-", request.headers.get("Range", ""))
    is_of_this_file = request.headers.get("If-Range", _etag(found)) == _etag(found)
    return int(asked[1]) if asked and is_of_this_file else None


def _etag(found: Export) -> str:
    return f'"{found.pk.hex}"'


def _download(found: Export, start: int | None, name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(file_of(found, start or 0), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Content-Length"] = str(found.bytes - (start or 0))
    response["Cache-Control"] = "private, no-store"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = _etag(found)
    if start is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{found.bytes - 1}/{found.bytes}"
    return response
