"""What is wrong with a call, found before it is sent. docs/spec.md lists every code."""

import math
import re
from typing import Any

from integrations.spec.findings import Finding, Severity
from integrations.spec.limits import MAX_EVENT_BYTES, MAX_MESSAGE_ID_CHARACTERS

MAX_DEPTH = 100
CALL_TYPES = ("identify", "track", "page", "screen", "group", "alias")
OBJECT_FIELDS = ("properties", "traits", "context", "integrations")
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?\Z", re.ASCII)


def lint(call: Any, *, size: int | None = None) -> list[Finding]:
    """All findings of `call`, which may be any value at all. `size` is its encoded length in bytes, when known.

    Pure: nothing is changed, nothing is read, nothing is raised.
    """
    if not isinstance(call, dict):
        return [_error("not_an_object", "", "The call is not a JSON object.", "Send one JSON object per call.")]
    found = [*_identity(call), *_type(call), *_objects(call), *_message_id(call), *_timestamp(call), *_context(call)]
    found += _values(call)
    if size is not None and size > MAX_EVENT_BYTES:
        text = f"The call is {size} bytes long; Segment takes {MAX_EVENT_BYTES}."
        found.append(_error("too_large", "", text, "Leave out long texts."))
    return found


def _error(code: str, path: str, message: str, remedy: str) -> Finding:
    return Finding(Severity.ERROR, code, path, message, remedy)


def _identity(call: dict[Any, Any]) -> list[Finding]:
    found = []
    present = [name for name in ("userId", "anonymousId") if call.get(name) is not None]
    if not present:
        found.append(_error("no_identity", "userId", "The call names no person.", "Set userId."))
    for name in present:
        if not isinstance(call[name], str):
            code = "user_id_not_string" if name == "userId" else "anonymous_id_not_string"
            found.append(_error(code, name, f"{name} is not a string.", "Send the id as a string."))
        elif not call[name].strip():
            code = "user_id_empty" if name == "userId" else "anonymous_id_empty"
            found.append(_error(code, name, f"{name} is empty.", "Leave the field out or send an id."))
    if "userId" not in present and present:
        text = "The call carries no userId, which Segment asks of a partner."
        found.append(Finding(Severity.WARNING, "no_user_id", "userId", text, "Send the customer's own id as userId."))
    return found


def _type(call: dict[Any, Any]) -> list[Finding]:
    kind = call.get("type")
    if kind not in CALL_TYPES:
        return [_error("unknown_type", "type", "The call has no type of the Spec.", f"One of {', '.join(CALL_TYPES)}.")]
    needed = {"track": "event", "group": "groupId", "alias": "previousId"}.get(str(kind))
    if needed and (not isinstance(call.get(needed), str) or not call[needed].strip()):
        code = {"event": "event_missing", "groupId": "group_id_missing", "previousId": "previous_id_missing"}[needed]
        return [_error(code, needed, f"{needed} is missing or not a text.", f"Set {needed} to a text.")]
    return []


def _objects(call: dict[Any, Any]) -> list[Finding]:
    return [
        _error(f"{name}_not_object", name, f"{name} is not an object.", "Send a JSON object.")
        for name in OBJECT_FIELDS
        if call.get(name) is not None and not isinstance(call[name], dict)
    ]


def _message_id(call: dict[Any, Any]) -> list[Finding]:
    value = call.get("messageId")
    if value is None or (isinstance(value, str) and 0 < len(value) <= MAX_MESSAGE_ID_CHARACTERS):
        return []
    return [_error("message_id_bad", "messageId", "messageId is not a text of 1 to 99 characters.", "Use a UUID.")]


def _timestamp(call: dict[Any, Any]) -> list[Finding]:
    value = call.get("timestamp")
    if value is None or (isinstance(value, str) and ISO_8601.match(value)):
        return []
    return [_error("timestamp_not_iso", "timestamp", "timestamp is not ISO-8601.", "Like 2026-01-31T09:30:00.000Z.")]


def _context(call: dict[Any, Any]) -> list[Finding]:
    context = call.get("context")
    integration = context.get("integration") if isinstance(context, dict) else None
    if integration is None:
        return []
    good = isinstance(integration, dict) and all(
        isinstance(integration.get(name), str) and integration[name] for name in ("name", "version")
    )
    if good:
        return []
    text = "context.integration is not an object with a name and a version."
    return [_error("integration_bad", "context.integration", text, 'Send {"name": your slug, "version": "1.0.0"}.')]


def _values(call: dict[Any, Any]) -> list[Finding]:
    """Walks without recursion, so that depth is a finding and not a crash."""
    waiting: list[tuple[Any, str, int]] = [(call, "", 0)]
    while waiting:
        value, path, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return [_error("too_deep", path, "The call is nested too many levels deep.", "Send it flatter.")]
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                return [_error("key_not_string", path, "A field name is not a text.", "Use texts as field names.")]
            waiting += [(item, f"{path}.{key}" if path else key, depth + 1) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(item, f"{path}[{number}]", depth + 1) for number, item in enumerate(value)]
        elif problem := _scalar_problem(value):
            return [_error("value_not_json", path, problem, "Send a finite number or plain text.")]
    return []


def _scalar_problem(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN and Infinity are not JSON; one of them makes Segment refuse the whole batch."
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return "The number does not fit 64 bits."
    return ""
