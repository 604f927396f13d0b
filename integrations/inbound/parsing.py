"""From the JSON of a request to messages, with any casing of the field names: it "will vary by customer", Segment says.

https://segment.com/docs/partners/direct-destination/ has the form of a request.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.conf import settings

from integrations.errors import MessageError
from integrations.identity import MAX_ID_CHARACTERS, is_somebody
from integrations.people import normal_email
from integrations.spec.json_types import moment, named

Fields = dict[str, Any]

TYPES: Final = ("identify", "group", "alias", "track", "page", "screen")

NOT_TAKEN: Final = {
    # One key must not be enough to erase people: whoever holds it is a program, and nobody could ask it back.
    "delete": "Nobody was erased: an owner or admin erases a person under Company settings, Privacy and data.",
}
"""What else Segment has, and where it is done here. https://segment.com/docs/partners/direct-destination/"""

MAX_MESSAGES: Final = 4_000
"""Of a batch: the most that a customer can set in Segment (Webhooks (Actions), "Batch size limits")."""

MAX_TRAITS: Final = 100
MAX_TRAIT_NAME: Final = 100
MAX_TRAIT_BYTES: Final = 500
"""Of one value as JSON. A person's row stays small: a longer trait is a document, and left out."""

MAX_EMAIL_CHARACTERS: Final = 320

_NOT_LETTERS: Final = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one call says of a person. Ids that it does not have are empty."""

    type: str
    said_at: datetime
    user_id: str = ""
    anonymous_id: str = ""
    previous_id: str = ""
    group_id: str = ""
    email: str = ""
    traits: Fields = field(default_factory=dict)


def messages_in(body: Any) -> list[Any]:
    """The single call of a body, or all of its batch: an array, or an object with one. Raises MessageError."""
    fields = _lowered(body) if isinstance(body, dict) else {}
    items = body if isinstance(body, list) else fields.get("batch", [body])
    if not isinstance(items, list):
        raise MessageError(400, f"batch is of the type {named(items)}, not an array.")
    if not items:
        raise MessageError(400, "There is no message: the batch is empty.")
    if len(items) > MAX_MESSAGES:
        raise MessageError(413, f"There are {len(items):,} messages: send batches of {MAX_MESSAGES:,} at most.")
    return items


def parse(item: Any, now: datetime) -> Message | None:
    """The message, or None when this product sent it itself and it only comes back. Raises MessageError."""
    if not isinstance(item, dict):
        raise MessageError(400, f"A message is of the type {named(item)}, not an object.")
    fields = _lowered(item)
    kind = _type(fields)
    context = _lowered(_object(fields, "context"))
    if _lowered(_object(context, "integration")).get("name") == settings.INTEGRATION_SLUG:
        return None
    message = Message(
        type=kind,
        said_at=_said_at(fields.get("timestamp"), now),
        user_id=_person_id(fields, "userid", "userId"),
        anonymous_id=_person_id(fields, "anonymousid", "anonymousId"),
        previous_id=_person_id(fields, "previousid", "previousId"),
        group_id=_id(fields, "groupid", "groupId"),
        **_told(kind, fields, context),
    )
    _check_ids(message)
    return message


def _lowered(fields: Fields) -> Fields:
    """By small letters and digits alone: `userId`, `user_id`, `UserID` and `User ID` are one field.

    Of two spellings in one object the first one that says something counts.
    """
    lowered: Fields = {}
    for name, value in fields.items():
        plain = _NOT_LETTERS.sub("", name.lower())
        if lowered.get(plain) is None:
            lowered[plain] = value
    return lowered


def _type(fields: Fields) -> str:
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise MessageError(400, "A message has no type: identify, group, alias, track, page or screen.")
    kind = kind.strip().lower()
    if kind not in TYPES:
        why = NOT_TAKEN.get(kind, "Send identify, group, alias, track, page, screen.")
        raise MessageError(501, f"Messages of this type are not taken. {why}")
    return kind


def _object(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MessageError(400, f"{name} is of the type {named(value)}, not an object.")
    return value


def _id(fields: Fields, name: str, shown: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MessageError(400, f"{shown} is of the type {named(value)}, not a string: put it in quotes.")
    if len(value) > MAX_ID_CHARACTERS or "\x00" in value:
        raise MessageError(400, f"{shown} has over {MAX_ID_CHARACTERS} characters, or the character NUL.")
    return value if value.strip() else ""


def _person_id(fields: Fields, name: str, shown: str) -> str:
    """Empty for a word such as null: all strangers of a workspace would become one person."""
    value = _id(fields, name, shown)
    return value if value and is_somebody(value) else ""


def _told(kind: str, fields: Fields, context: Fields) -> dict[str, Any]:
    """Traits and address: an identify has them as its own, any call may have them in its context.

    The traits of a group call are the group's.
    """
    own = _object(fields, "traits")
    in_context = _object(context, "traits")
    traits = {**in_context, **own} if kind == "identify" else in_context
    return {"traits": _bounded(traits), "email": _email(_lowered(traits).get("email"))}


def _bounded(traits: Fields) -> Fields:
    """The traits that are kept: short ones that say something and that PostgreSQL takes."""
    kept = (item for item in traits.items() if _kept(*item))
    return {name: value for _count, (name, value) in zip(range(MAX_TRAITS), kept, strict=False)}


def _kept(name: str, value: Any) -> bool:
    if value is None or len(name) > MAX_TRAIT_NAME or "\x00" in name:
        return False
    try:
        encoded = orjson.dumps(value)
    except orjson.JSONEncodeError:  # too deep
        return False
    return len(encoded) <= MAX_TRAIT_BYTES and b"\\u0000" not in encoded


def _email(value: Any) -> str:
    """In small letters; empty for what is none."""
    usable = isinstance(value, str) and "@" in value and len(value) <= MAX_EMAIL_CHARACTERS and value.isprintable()
    return normal_email(value) if usable else ""


def _said_at(value: Any, now: datetime) -> datetime:
    """The call's own time; now for one that has none, or a wrong clock's of the future."""
    said = moment(value) if isinstance(value, str) else None
    if said is None:
        return now
    try:
        return min(said.replace(tzinfo=said.tzinfo or UTC).astimezone(UTC), now)
    except OverflowError:
        return now


def _check_ids(message: Message) -> None:
    if message.type in {"identify", "group"} and not (message.user_id or message.anonymous_id):
        raise MessageError(400, f"The {message.type} has neither a userId nor an anonymousId that means one person.")
    if message.type == "group" and not message.group_id:
        raise MessageError(400, "The group has no groupId.")
    if message.type == "alias" and not (message.previous_id and message.user_id):
        raise MessageError(400, "The alias needs a previousId and a userId that each mean one person.")


def parse_all(items: Iterable[Any], now: datetime) -> "Parsed":
    """All messages, those that can be taken and what is wrong with the others."""
    parsed = Parsed()
    for item in items:
        try:
            message = parse(item, now)
        except MessageError as error:
            parsed.problems.append(error)
            continue
        if message is None:
            parsed.ours += 1
        else:
            parsed.messages.append(message)
    return parsed


@dataclass(slots=True)
class Parsed:
    """`ours` counts the messages that this product sent itself."""

    messages: list[Message] = field(default_factory=list)
    problems: list[MessageError] = field(default_factory=list)
    ours: int = 0
