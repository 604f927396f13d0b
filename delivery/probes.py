"""/healthz, /readyz and /metrics: for machines, without a session or a tenant."""

import ipaddress
from hmac import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from delivery import metrics
from delivery.health import readiness

CLOSED = (
    "Metrics are for this machine only, and not through a proxy. Elsewhere set METRICS_TOKEN and send it as "
    "'Authorization: Bearer TOKEN'.\n"
)


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process lives. Asks nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    found = readiness()
    return JsonResponse(found.as_dict(), status=200 if found.ready else 503)


@never_cache
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    if not _may_read(request):
        return HttpResponse(CLOSED, status=403, content_type="text/plain")
    return HttpResponse(metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        expected = f"Bearer {settings.METRICS_TOKEN}"
        return compare_digest(request.headers.get("Authorization", "").encode(), expected.encode())
    # A proxy on this machine would make everybody look local.
    proxied = settings.SECURE_PROXY_SSL_HEADER or {"X-Forwarded-For", "Forwarded"} & set(request.headers)
    return not proxied and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
