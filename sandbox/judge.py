"""What Segment makes of one call after it has answered 200: its documented discard reasons, and nothing of ours.

Reasons marked with a star have no name in Segment's documents, only a rule; the names are the stand-in's. The limit
of 10,000 properties is left out: so many do not fit in 32 KB.
"""

from collections.abc import Iterator
from typing import Any

CALL_TYPES = ("identify", "track", "page", "screen", "group", "alias")
MAX_MESSAGE_ID = 99

TOO_MANY_EVENTS = "too_many_events"  # *
SOURCE_DISABLED = "source_disabled"
EMPTY_BATCH = "empty_batch"


def discard_reason(call: Any) -> str:
    """Why ingest drops this call, or an empty string."""
    if not isinstance(call, dict):
        return "call_not_object"  # *
    if call.get("type") not in CALL_TYPES:
        return "type_unknown"  # *
    return next(_reasons(call), "")


def _reasons(call: dict[str, Any]) -> Iterator[str]:
    yield from _identity(call)
    yield from _content(call)
    message_id = call.get("messageId")
    if message_id is not None and not (isinstance(message_id, str) and 0 < len(message_id) <= MAX_MESSAGE_ID):
        yield "message_id_invalid"  # *


def _identity(call: dict[str, Any]) -> Iterator[str]:
    ids = [call[name] for name in ("userId", "anonymousId") if call.get(name) is not None]
    if not ids:
        yield "no_user_anon_id"
    needed = {"group": "groupId", "alias": "previousId"}.get(call["type"])
    if needed:
        if call.get(needed) is None:
            yield "id_required"
        ids.append(call.get(needed))
    if not all(isinstance(value, str) and value for value in ids):
        yield "id_not_string"


def _content(call: dict[str, Any]) -> Iterator[str]:
    kind = call["type"]
    if kind == "track":
        if call.get("event") in (None, ""):
            yield "event_not_defined"
        if not isinstance(call.get("event"), str):
            yield "event_not_string"
    if kind in ("page", "screen"):
        for name in ("name", "category"):
            value = call.get(name)
            if value is not None and not (isinstance(value, str) and value):
                yield f"{name}_not_string"
    for name in ("properties", "traits"):
        if not isinstance(call.get(name, {}), dict | None):
            yield f"{name}_not_object"
