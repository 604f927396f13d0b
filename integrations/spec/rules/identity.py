"""Whom a call is about, and which id the call itself has."""

import re
from typing import Any

from integrations.spec.codes import Code, error, warning
from integrations.spec.findings import Finding
from integrations.spec.json_types import moment, named
from integrations.spec.limits import MAX_MESSAGE_ID_CHARACTERS

NO_IDENTITY = error(
    "no_identity",
    "There is neither a userId nor an anonymousId. Segment discards the call (no_user_anon_id).",
    "Set userId to the id that this person has in the workspace owner's own database.",
)
ID_NOT_STRING = error(
    "id_not_string",
    "userId, anonymousId, groupId or previousId is not a string. Segment discards the call (id_not_string).",
    "Send the id as a string.",
)
ID_EMPTY = error(
    "id_empty",
    "userId, anonymousId, groupId or previousId is an empty string.",
    "Leave the field out when there is no id.",
)
ID_MISSING = error(
    "id_missing",
    "A group call has no groupId, or an alias call no previousId. Segment discards the call (id_required).",
    "Set the id.",
)
NO_USER_ID = warning(
    "no_user_id",
    "There is an anonymousId and no userId. The API takes it; Segment asks a partner for a userId on every call.",
    "Send the userId that the customer's workspace uses for this person.",
)
USER_ID_IS_EMAIL = warning(
    "user_id_is_email",
    "userId is an email address. An address is a trait: it changes, and then one person becomes two.",
    "Send the workspace owner's own id of the person as userId and the address as context.traits.email.",
)
USER_ID_PLACEHOLDER = warning(
    "user_id_placeholder",
    "userId is a word such as null or anonymous, under which all people become one.",
    "Leave userId out, or find out why the id is not known where the call is made.",
)
MESSAGE_ID_BAD = error(
    "message_id_bad",
    f"messageId is not a string of 1 to {MAX_MESSAGE_ID_CHARACTERS} characters.",
    "Leave it out, so that a random one is made, or send a UUID.",
)
TIMESTAMP_BAD = error(
    "timestamp_bad",
    "timestamp or originalTimestamp is not a time in ISO-8601.",
    "Send it like 2026-01-31T09:30:00.000Z.",
)
TIMESTAMP_WITHOUT_ZONE = warning(
    "timestamp_without_zone",
    "timestamp or originalTimestamp does not say which time zone it is in; Segment reads UTC.",
    "Send it in UTC with a Z at its end.",
)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_LONGEST_EMAIL = 320
_PLACEHOLDERS = frozenset(
    {"-", "-1", "0", "[object object]", "anonymous", "false", "guest", "n/a", "na", "nan", "nil", "none", "null"}
    | {"00000000-0000-0000-0000-000000000000", "test", "true", "undefined", "unknown", "user", "userid", "user_id"}
)
_NEEDED = {"group": "groupId", "alias": "previousId"}


def check_person(call: dict[Any, Any], found: list[Finding]) -> None:
    user_id, anonymous_id = call.get("userId"), call.get("anonymousId")
    if user_id is None and anonymous_id is None:
        found.append(NO_IDENTITY.at("userId", "The call does not say whom it is about."))
        return
    if user_id is None:
        found.append(NO_USER_ID.at("userId", "The call has an anonymousId and no userId."))
    elif _check_id("userId", user_id, found):
        _check_user_id(user_id, found)
    if anonymous_id is not None:
        _check_id("anonymousId", anonymous_id, found)


def is_placeholder(user_id: str) -> bool:
    """Whether it is a word such as null or anonymous, under which all people become one."""
    return user_id.strip().lower() in _PLACEHOLDERS


def check_other_id(call: dict[Any, Any], found: list[Finding]) -> None:
    """The group of a group call, and the previous id of an alias call."""
    kind = call.get("type")
    field = _NEEDED.get(kind) if isinstance(kind, str) else None
    if field is None:
        return
    value = call.get(field)
    if value is None:
        found.append(ID_MISSING.at(field, f"The {kind} call has no {field}.", f"Set {field} to a string."))
    else:
        _check_id(field, value, found)


def check_message_id(call: dict[Any, Any], found: list[Finding]) -> None:
    value = call.get("messageId")
    if value is None:
        return
    if not isinstance(value, str):
        found.append(MESSAGE_ID_BAD.at("messageId", f"messageId is of the type {named(value)}, not a string."))
    elif not value.strip():
        found.append(MESSAGE_ID_BAD.at("messageId", "messageId is empty."))
    elif len(value) > MAX_MESSAGE_ID_CHARACTERS:
        text = f"messageId has {len(value)} characters; Segment takes {MAX_MESSAGE_ID_CHARACTERS} at most."
        found.append(MESSAGE_ID_BAD.at("messageId", text))


def check_timestamps(call: dict[Any, Any], found: list[Finding]) -> None:
    for field in ("timestamp", "originalTimestamp"):
        value = call.get(field)
        if value is None:
            continue
        time = moment(value) if isinstance(value, str) else None
        if time is None:
            found.append(TIMESTAMP_BAD.at(field, f"{field} is not a time in ISO-8601."))
        elif time.tzinfo is None:
            found.append(TIMESTAMP_WITHOUT_ZONE.at(field, f"{field} names no time zone."))


def _check_id(field: str, value: Any, found: list[Finding]) -> bool:
    if not isinstance(value, str):
        text = f"{field} is of the type {named(value)}, not a string."
        found.append(ID_NOT_STRING.at(field, text, _quoted(field, value)))
        return False
    if not value.strip():
        found.append(ID_EMPTY.at(field, f"{field} is empty.", f"Leave {field} out when there is no id."))
        return False
    return True


def _quoted(field: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"Put the number of {field} in quotes."
    return f"Send {field} as a string."


def _check_user_id(user_id: str, found: list[Finding]) -> None:
    code: Code | None = None
    if "@" in user_id and len(user_id) <= _LONGEST_EMAIL and _EMAIL.fullmatch(user_id.strip()):
        code, text = USER_ID_IS_EMAIL, "userId is an email address."
    elif is_placeholder(user_id):
        code, text = USER_ID_PLACEHOLDER, "userId is a placeholder, not the id of a person."
    if code is not None:
        found.append(code.at("userId", text))
