"""POST /v1/...: for programs, so without session, cookie and CSRF token."""

import logging

import psycopg
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from delivery.errors import describe
from delivery.ingest import answers
from delivery.ingest.auth import key_of_body, key_of_header
from delivery.ingest.bodies import MAX_BODY_BYTES, parse
from delivery.ingest.calls import BATCHES, calls_of
from delivery.outbox import capture_or_raise
from integrations.errors import RequestError
from integrations.request_bodies import receive, unpack

log = logging.getLogger(__name__)


@csrf_exempt
def ingest(request: HttpRequest, method: str) -> HttpResponse:
    """Take in the calls of one request: 200 says that they are committed, 503 that none of them is."""
    try:
        return _taken(request, method)
    except RequestError as error:
        return answers.refused(error)
    except (Error, psycopg.Error) as error:
        log.error("A request could not be stored: %s.", describe(error))
        return answers.not_stored()


def _taken(request: HttpRequest, method: str) -> HttpResponse:
    received_at = timezone.now()
    sent = receive(request, MAX_BODY_BYTES)
    _check_form(request)
    key = key_of_header(request)
    body = parse(unpack(sent, request, MAX_BODY_BYTES))
    key = key or key_of_body(body)
    captured = capture_or_raise(key.tenant_id, calls_of(method, body, received_at))
    return answers.taken(captured) if method in BATCHES else answers.single_taken(captured)


def _check_form(request: HttpRequest) -> None:
    if request.method != "POST":
        raise RequestError(405, "Send a POST.", "not_post")
    # Never a redirect: @segment/analytics-node takes one for success, and the events would be lost.
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise RequestError(403, "Send to https://: the key would travel in the clear.", "not_https")
    if request.content_type != "application/json":
        raise RequestError(415, "The Content-Type is not application/json.", "content_type_unknown")
