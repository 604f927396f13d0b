"""The page of a request that failed: it asks nothing of the database, which may be what failed."""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string

RETRY_AFTER: Final = 30
"""Seconds, for programs that ask again."""


def server_error(_request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception. A database that cannot be reached is no error of ours: 503."""
    if isinstance(sys.exception(), InterfaceError | OperationalError):
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_AFTER)})
    return HttpResponseServerError(render_to_string("500.html"))
