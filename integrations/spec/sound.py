"""Telling at a look that a call has no errors, as nearly all have none, in a third of the time that all rules take."""

import marshal
from types import NoneType
from typing import Any, Final

from integrations.spec.json_types import moment
from integrations.spec.limits import MAX_DEPTH, MAX_EVENT_BYTES, MAX_MESSAGE_ID_CHARACTERS, MAX_PROPERTIES
from integrations.spec.rules.values import is_sendable

_NEEDED: Final = {"track": "event", "group": "groupId", "alias": "previousId", "identify": "", "page": "", "screen": ""}
"""The types, each with the text that it cannot be without."""

_OPTIONAL: Final = {"page": ("name", "category"), "screen": ("name", "category")}
_OBJECT_OR_NONE: Final = (dict, NoneType)


def is_sound(call: dict[Any, Any], encoded: bytes) -> bool:
    """Whether the linter finds no error in `call`; `encoded` is what orjson wrote of it, with its messageId or without.

    Says no when a look is not enough to tell; says yes to no call that has an error.
    """
    return (
        len(encoded) <= MAX_EVENT_BYTES
        and _has_sound_values(call, encoded)
        and _has_sound_fields(call)
        and _has_sound_person(call)
        and _has_sound_context(call)
    )


def _has_sound_values(call: dict[Any, Any], encoded: bytes) -> bool:
    # orjson has refused other field names than texts, half surrogates and integers over 64 bits, and it writes NaN as
    # null. What it takes and JSON has not, such as a UUID, an Enum or a datetime, marshal refuses: it writes nothing
    # but Python's own types. A value takes at least a byte, and a level of nesting a bracket.
    if (
        len(encoded) > MAX_PROPERTIES
        or encoded.count(b"{") + encoded.count(b"[") > MAX_DEPTH
        or b"null" in encoded
        or b"\\u0000" in encoded
    ):
        return is_sendable(call)
    try:
        marshal.dumps(call)
    except ValueError:
        return False
    return True


def _has_sound_fields(call: dict[Any, Any]) -> bool:
    kind: Any = call.get("type")
    needed = _NEEDED.get(kind) if isinstance(kind, str) else None
    if needed is None or (needed and not _is_text(call.get(needed))):
        return False
    for field in _OPTIONAL.get(kind, ()):
        if call.get(field) is not None and not _is_text(call[field]):
            return False
    return (
        isinstance(call.get("properties"), _OBJECT_OR_NONE)
        and isinstance(call.get("traits"), _OBJECT_OR_NONE)
        and isinstance(call.get("integrations"), _OBJECT_OR_NONE)
    )


def _has_sound_person(call: dict[Any, Any]) -> bool:
    """Its ids, its messageId and when it was."""
    user_id, anonymous_id, message_id = call.get("userId"), call.get("anonymousId"), call.get("messageId")
    if not (_is_text(user_id) or (user_id is None and anonymous_id is not None)):
        return False
    if anonymous_id is not None and not _is_text(anonymous_id):
        return False
    # The encoding may be without it, so it must be seen to have neither NUL nor half a surrogate.
    if message_id is not None and not (
        _is_text(message_id) and message_id.isprintable() and len(message_id) <= MAX_MESSAGE_ID_CHARACTERS
    ):
        return False
    return _is_time(call.get("timestamp")) and _is_time(call.get("originalTimestamp"))


def _has_sound_context(call: dict[Any, Any]) -> bool:
    context = call.get("context")
    if context is None:
        return True
    if not isinstance(context, dict):
        return False
    integration = context.get("integration", context)
    return integration is context or (
        isinstance(integration, dict) and _is_text(integration.get("name")) and _is_text(integration.get("version"))
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_time(value: Any) -> bool:
    return value is None or (isinstance(value, str) and moment(value) is not None)
