"""Whoever has been signed out while a page was open, and did something on it."""

from typing import Final
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

LOST: Final = "You were signed out while the page was open, so nothing was saved. Sign in, and send the form once more."


def to_log_in(request: HttpRequest) -> HttpResponse:
    """To the log-in, and from there to the page that was asked for; of a form, to the page that it stands on."""
    if request.method in {"GET", "HEAD"}:
        return redirect_to_login(request.get_full_path())
    messages.warning(request, LOST)
    return redirect_to_login(_page_of_form(request))


def _page_of_form(request: HttpRequest) -> str:
    """Where a form is sent to may take nothing but forms, such as the button that pauses a source."""
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}):
        return request.get_full_path()
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
