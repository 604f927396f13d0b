"""The page of a request that failed: it asks nothing of the database or of Redis, which may be what failed."""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string
from redis import RedisError

RETRY_AFTER: Final = 30
"""Seconds, for programs that ask again."""


def server_error(_request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception. A database that cannot be reached is no error of ours: 503.

    Nor is a Redis that is down or full: only what counts the tries of signing in cannot do without it.
    """
    if isinstance(sys.exception(), InterfaceError | OperationalError | RedisError):
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_AFTER)})
    return HttpResponseServerError(render_to_string("500.html"))
