"""Showing the HTML of an email inside a page: in a sandboxed frame, by a response that may do next to nothing."""

import re

from django.conf import settings
from django.http import HttpResponse

_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)

# The frame may not navigate itself (many pages refuse frames): every link opens a tab of its own.
_LINKS_LEAVE_THE_FRAME = '<base target="_blank">'


def email_body(html: str) -> HttpResponse:
    """No scripts, no forms, no frames; pictures from this site alone, which the counting pixel is one of."""
    site = settings.SITE_URL.rstrip("/")
    html, found = _HEAD.subn(lambda head: head[0] + _LINKS_LEAVE_THE_FRAME, html, count=1)
    response = HttpResponse(html if found else _LINKS_LEAVE_THE_FRAME + html)
    response["Content-Security-Policy"] = (
        f"default-src 'none'; img-src 'self' {site}; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
        "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
    )
    response["Cache-Control"] = "no-store"
    return response
