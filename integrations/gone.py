"""The page of a source that is not there: it says what became of it, and how to go on."""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from integrations.deletion import DELETED
from integrations.models import Source
from tenants.models import AuditEntry, Tenant
from tenants.scoping import scope


class GoneSources:
    """Middleware, for the pages of all apps whose address names a source of a company that the reader belongs to.

    Whoever has an old page open, or sends its form, sees this in place of a bare 404. A source of another company is
    answered as one that never was.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        tenant: Tenant | None = getattr(request, "tenant", None)
        match = request.resolver_match
        if not isinstance(exception, Http404) or tenant is None or match is None or "source_id" not in match.kwargs:
            return None
        number: int = match.kwargs["source_id"]
        with scope(tenant.pk):
            return None if Source.objects.filter(pk=number).exists() else _page(request, number)


def _page(request: HttpRequest, number: int) -> HttpResponse:
    deleted = AuditEntry.objects.filter(deed=DELETED, details__number=number).first()
    context = {"deleted": deleted, "was_sent": request.method == "POST"}
    response = render(request, "integrations/gone.html", context, status=404)
    if "HX-Request" in request.headers:
        # A part of a page that asked for itself: the whole page is to be this one.
        response["HX-Refresh"] = "true"
    return response
