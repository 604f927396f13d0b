"""What a browser may do with our pages, and why: docs/security-headers.md."""

from collections.abc import Callable, Mapping
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

_EVERYWHERE: Final = {
    "default-src": "'none'",
    "connect-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}

PAGES: Final = _EVERYWHERE | {
    "script-src": "'self'",
    "style-src": "'self'",
    "frame-src": "'self'",
    # A mail of the demo names the address of SITE_URL, by whatever name of this machine its reader came.
    "form-action": f"'self' {settings.SITE_URL}",
}

ADMIN: Final = _EVERYWHERE | {
    # Unfold's pages are run by Alpine.js, which makes functions of the expressions in their attributes.
    "script-src": "'self' 'unsafe-eval'",
    # For browsers that do not know the next two.
    "style-src": "'self'",
    # The colours that Unfold writes into each page, and the one rule that its htmx adds: these texts and no others.
    "style-src-elem": (
        "'self' 'sha256-KO6LJMbwO+47FHf/VFmG/1AEmSFSbl2Q4loZry/CqDM=' "
        "'sha256-bsV5JivYxvGywDAZ22EZJKBFip65Ng9xoJVLbBg7bdo='"
    ),
    # Alpine.js sets the width of the bar of actions so.
    "style-src-attr": "'unsafe-inline'",
    "form-action": "'self'",
}

HEADERS: Final = {
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Permitted-Cross-Domain-Policies": "none",
}

Next = Callable[[HttpRequest], HttpResponseBase]


def written(policy: Mapping[str, str]) -> str:
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


class SecurityHeaders:
    """Middleware: every response says what its page may do, unless its view has said so already (a mail in a frame)."""

    def __init__(self, get_response: Next) -> None:
        self._get_response = get_response
        self._pages, self._admin = written(PAGES), written(ADMIN)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        is_admin = request.path.startswith(reverse("admin:index"))
        response.headers.setdefault("Content-Security-Policy", self._admin if is_admin else self._pages)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response
