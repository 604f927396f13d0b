"""POST /segment/inbound: what Segment's subscription of a tenant's workspace posts. For a program: no session, no CSRF.

Answers are those that Segment asks of a destination: https://segment.com/docs/partners/direct-destination/
"""

import logging
import re
from typing import Any, Final

import orjson
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from integrations.errors import RequestError
from integrations.inbound.auth import check_signature, key_of
from integrations.inbound.keeping import keep
from integrations.inbound.parsing import Parsed, messages_in, parse_all
from integrations.request_bodies import receive, unpack

MAX_BODY_BYTES: Final = 5_000_000
"""Of a body, unpacked: the largest batch that Segment offers, 4,000 events, at 1,250 bytes each."""

JSON_TYPE: Final = re.compile(r"application/(json|[\w.-]+\+json)")

WITH_STATUS: Final = {
    401: ("WWW-Authenticate", 'Basic realm="API key", charset="UTF-8"'),
    405: ("Allow", "POST"),
}
"""Headers that RFC 9110 wants with an answer."""

log = logging.getLogger(__name__)


@csrf_exempt
def inbound(request: HttpRequest) -> HttpResponse:
    """200 says that all that could be taken is committed, 503 that nothing is."""
    try:
        return _told(_taken(request))
    except RequestError as error:
        return _answer(error.status, str(error))
    except Error as error:
        # Kind alone: a message of the database may quote a row.
        log.error("Messages from Segment could not be kept: %s.", type(error).__name__)
        return _answer(503, "The messages could not be kept just now, and none of them was. Send them again.")


def _taken(request: HttpRequest) -> Parsed:
    sent = receive(request, MAX_BODY_BYTES)
    if request.method != "POST":
        raise RequestError(405, "Send a POST.")
    # Never a redirect: the body would be lost on the way.
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise RequestError(403, "Send to https://: the key would travel in the clear.")
    key = key_of(request)
    if not JSON_TYPE.fullmatch(request.content_type or ""):
        raise RequestError(415, "The Content-Type is not application/json.")
    body = unpack(sent, request, MAX_BODY_BYTES)
    check_signature(key, request, body)
    parsed = parse_all(messages_in(_json(body)), timezone.now())
    if parsed.messages:
        keep(key.tenant_id, parsed.messages)
    return parsed


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Its message names the place, and quotes nothing.
        raise RequestError(400, f"The body is not JSON: {error}.") from None


def _told(parsed: Parsed) -> HttpResponse:
    """A batch with something good in it is a success: Segment sends nothing of it again, or all."""
    taken = len(parsed.messages) + parsed.ours
    if not parsed.problems:
        return _answer(200, f"{taken} taken.")
    first = min(parsed.problems, key=lambda problem: problem.status)
    if not taken:
        return _answer(first.status, str(first))
    return _answer(200, f"{taken} taken, {len(parsed.problems)} not. {first}")


def _answer(status: int, message: str) -> HttpResponse:
    response = HttpResponse(orjson.dumps({"message": message}), status=status, content_type="application/json")
    if status in WITH_STATUS:
        name, value = WITH_STATUS[status]
        response[name] = value
    return response
