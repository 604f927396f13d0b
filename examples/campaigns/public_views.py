"""What the readers of an email ask for: its pixel, its link, the way out. No log-in and no tenant in the address."""

import base64
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from examples.campaigns.activities import Reader
from examples.campaigns.errors import BrokenLinkError
from examples.campaigns.reading import message_of, record_click, record_open, record_unsubscribe

_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def _broken_links_are_told(view: View[P]) -> View[P]:
    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except BrokenLinkError:
            return render(request, "email/broken.html", status=404)

    return wrapper


@require_safe
@never_cache
def pixel(request: HttpRequest, token: str) -> HttpResponse:
    """Always a picture, whatever the token: a reader must not see a broken one. A broken token records nothing."""
    try:
        with message_of(token) as message:
            # Scanners look with HEAD; a reader's mail program fetches.
            if request.method == "GET":
                record_open(message, _reader(request))
    except BrokenLinkError:
        pass
    return HttpResponse(_PIXEL, content_type="image/gif")


@require_safe
@never_cache
@_broken_links_are_told
def click(request: HttpRequest, token: str) -> HttpResponse:
    with message_of(token) as message:
        if request.method == "GET":
            record_click(message, _reader(request))
        return HttpResponseRedirect(message.campaign.link_url)


# The signed token is what allows it: mail programs that post the one-click form (RFC 8058) bring no cookie with them.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@_broken_links_are_told
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, POST does it: mail scanners follow every link they find."""
    with message_of(token) as message:
        done = request.method == "POST" and request.POST.get("List-Unsubscribe") == "One-Click"
        if done:
            record_unsubscribe(message, _reader(request))
        done = done or message.person.unsubscribed_at is not None
        context = {"sender": message.campaign.tenant, "person": message.person, "done": done}
        return render(request, "email/unsubscribe.html", context)


def _reader(request: HttpRequest) -> Reader:
    return Reader(
        # Behind a proxy this is the proxy's own address unless it is told otherwise: docs/example-product.md.
        ip=request.META.get("REMOTE_ADDR") or None,
        user_agent=request.headers.get("User-Agent") or None,
    )
