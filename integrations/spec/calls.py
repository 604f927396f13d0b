"""The calls of the Segment Spec as plain JSON objects, and one builder for each of the six.

A builder puts down what it is given and nothing else: an absent value leaves no field, so that `{}` never stands for
"unknown". What every call of this product carries (`context.integration`, a timestamp, a messageId) is added later.
"""

from datetime import UTC, datetime
from typing import Any

Call = dict[str, Any]
"""One Spec call: the JSON object with `type`, `userId` and the rest, as it will be encoded."""

Fields = dict[str, Any]
Timestamp = datetime | str


def track(
    *,
    event: str,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    properties: Fields | None = None,
    context: Fields | None = None,
    timestamp: Timestamp | None = None,
    message_id: str | None = None,
) -> Call:
    """What somebody did. https://segment.com/docs/connections/spec/track/"""
    return _present(
        type="track",
        userId=user_id,
        anonymousId=anonymous_id,
        event=event,
        properties=properties,
        context=context,
        timestamp=_iso(timestamp),
        messageId=message_id,
    )


def identify(
    *,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    traits: Fields | None = None,
    context: Fields | None = None,
    timestamp: Timestamp | None = None,
    message_id: str | None = None,
) -> Call:
    """Who somebody is. https://segment.com/docs/connections/spec/identify/"""
    return _present(
        type="identify",
        userId=user_id,
        anonymousId=anonymous_id,
        traits=traits,
        context=context,
        timestamp=_iso(timestamp),
        messageId=message_id,
    )


def page(
    *,
    name: str | None = None,
    category: str | None = None,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    properties: Fields | None = None,
    context: Fields | None = None,
    timestamp: Timestamp | None = None,
    message_id: str | None = None,
) -> Call:
    """Which web page somebody saw. https://segment.com/docs/connections/spec/page/"""
    return _viewed(
        "page",
        timestamp,
        userId=user_id,
        anonymousId=anonymous_id,
        name=name,
        category=category,
        properties=properties,
        context=context,
        messageId=message_id,
    )


def screen(
    *,
    name: str | None = None,
    category: str | None = None,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    properties: Fields | None = None,
    context: Fields | None = None,
    timestamp: Timestamp | None = None,
    message_id: str | None = None,
) -> Call:
    """Which app screen somebody saw. https://segment.com/docs/connections/spec/screen/"""
    return _viewed(
        "screen",
        timestamp,
        userId=user_id,
        anonymousId=anonymous_id,
        name=name,
        category=category,
        properties=properties,
        context=context,
        messageId=message_id,
    )


def group(
    *,
    group_id: str,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    traits: Fields | None = None,
    context: Fields | None = None,
    timestamp: Timestamp | None = None,
    message_id: str | None = None,
) -> Call:
    """Which account somebody belongs to. https://segment.com/docs/connections/spec/group/"""
    return _present(
        type="group",
        userId=user_id,
        anonymousId=anonymous_id,
        groupId=group_id,
        traits=traits,
        context=context,
        timestamp=_iso(timestamp),
        messageId=message_id,
    )


def alias(
    *,
    previous_id: str,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    context: Fields | None = None,
    timestamp: Timestamp | None = None,
    message_id: str | None = None,
) -> Call:
    """That two ids are one person. https://segment.com/docs/connections/spec/alias/"""
    return _present(
        type="alias",
        userId=user_id,
        anonymousId=anonymous_id,
        previousId=previous_id,
        context=context,
        timestamp=_iso(timestamp),
        messageId=message_id,
    )


def _viewed(kind: str, timestamp: Timestamp | None, **fields: Any) -> Call:
    """`page` and `screen` differ in their type alone."""
    return _present(type=kind, timestamp=_iso(timestamp), **fields)


def _present(**fields: Any) -> Call:
    return {name: value for name, value in fields.items() if value is not None}


def _iso(moment: Timestamp | None) -> str | None:
    """ISO-8601 in UTC with milliseconds, the precision that Segment keeps. A text is taken as it is.

    Raises ValueError for a datetime without a time zone: guessing one would move the event by hours.
    """
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError("The timestamp has no time zone. Use an aware datetime, such as django.utils.timezone.now().")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
