"""POST /v1/...: for programs, so without session, cookie and CSRF token."""

import logging

import psycopg
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from delivery.errors import describe
from delivery.ingest import answers, bodies
from delivery.ingest.auth import key_of_body, key_of_header
from delivery.ingest.calls import BATCHES, calls_of
from delivery.ingest.errors import RequestRefusedError
from delivery.outbox import capture_or_raise

log = logging.getLogger(__name__)


@csrf_exempt
def ingest(request: HttpRequest, method: str) -> HttpResponse:
    """Take in the calls of one request: 200 says that they are committed, 503 that none of them is."""
    try:
        return _taken(request, method)
    except RequestRefusedError as error:
        return answers.refused(error)
    except (Error, psycopg.Error) as error:
        log.error("A request could not be stored: %s.", describe(error))  # noqa: TRY400  # a traceback could quote the payload
        return answers.not_stored()


def _taken(request: HttpRequest, method: str) -> HttpResponse:
    received_at = timezone.now()
    sent = bodies.read(request)
    _check_form(request)
    key = key_of_header(request)
    body = bodies.parse(sent, request.headers.get("Content-Encoding", ""))
    key = key or key_of_body(body)
    captured = capture_or_raise(key.tenant_id, calls_of(method, body, received_at))
    return answers.taken(captured) if method in BATCHES else answers.single_taken(captured)


def _check_form(request: HttpRequest) -> None:
    if request.method != "POST":
        raise RequestRefusedError(405, "not_post", "Send a POST.")
    # Never a redirect: @segment/analytics-node takes one for success, and the events would be lost.
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise RequestRefusedError(403, "not_https", "Send to https://: the key would travel in the clear.")
    if request.content_type != "application/json":
        message = "The Content-Type is not application/json."
        raise RequestRefusedError(415, "content_type_unknown", message)
