"""What a client is told: Segment's `{"success": true}`, and what was wrong where Segment would say nothing."""

from collections.abc import Iterable
from typing import Any, Final

import orjson
from django.http import HttpResponse

from delivery.models import Refusal
from delivery.outbox import Captured
from integrations.errors import RequestError

SUCCESS: Final = b'{"success": true}'

MOST_REFUSALS: Final = 20
"""Told in an answer; the tenant's page has the rest."""

NO_SOURCE: Final = (
    "Nothing was kept: no connected Segment source takes what was sent. Connect one under Integrations, or switch the "
    "event on under “What is sent” of a source."
)


WITH_STATUS: Final = {
    401: {"WWW-Authenticate": 'Basic realm="ingest key", charset="UTF-8"'},
    405: {"Allow": "POST"},
}
"""Headers that RFC 9110 wants with an answer."""


def taken(captured: Captured) -> HttpResponse:
    """Of a batch: 200 whatever was refused of it, as Segment does; the refused ones would be refused again."""
    if captured.refused:
        return _json(200, {"success": True, "refused": _told(captured.refused)})
    if not (captured.event_ids or captured.duplicates):
        return _json(200, {"success": True, "message": NO_SOURCE})
    return HttpResponse(SUCCESS, content_type="application/json")


def single_taken(captured: Captured) -> HttpResponse:
    """Of one call: 400 when no source got it. Segment says 200 here too, and its users search for days."""
    if captured.event_ids or not captured.refused:
        return taken(captured)
    told = _told(captured.refused)
    message = next((finding["message"] for refusal in told for finding in refusal["findings"]), told[0]["reason"])
    return _json(400, {"success": False, "code": "refused", "message": message, "refused": told})


def refused(error: RequestError) -> HttpResponse:
    response = _json(error.status, {"success": False, "code": error.code, "message": str(error)})
    for name, value in WITH_STATUS.get(error.status, {}).items():
        response[name] = value
    return response


def not_stored() -> HttpResponse:
    message = "The events could not be stored just now, and nothing of the request was. Send it again."
    return _json(503, {"success": False, "code": "not_stored", "message": message})


def _told(refusals: Iterable[Refusal]) -> list[dict[str, Any]]:
    """Each refusal once: there is a row of it for each of the tenant's sources."""
    told: list[dict[str, Any]] = []
    for refusal in refusals:
        fields = ("code", "path", "message", "remedy")
        findings = [{name: finding[name] for name in fields} for finding in refusal.findings]
        each = {"type": refusal.type, "name": refusal.name, "reason": refusal.get_reason_display()}
        if (entry := {**each, "findings": findings}) not in told:
            told.append(entry)
        if len(told) == MOST_REFUSALS:
            break
    return told


def _json(status: int, content: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(content), status=status, content_type="application/json")
