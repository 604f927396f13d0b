"""From a call to the JSON text that is stored and sent, and from any text to one that PostgreSQL stores."""

import orjson

from delivery.errors import NotJsonError
from integrations.spec.calls import Call

MESSAGE_ID_BYTES = len('"messageId":"",') + 36
"""What `with_message_id` adds to an encoded call."""


def encode(call: Call) -> bytes:
    """The call as JSON in UTF-8. Raises NotJsonError.

    orjson writes NaN as null instead of failing; the linter finds it before.
    """
    try:
        return orjson.dumps(call)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise NotJsonError(str(error)) from None


def with_message_id(encoded: bytes, message_id: str) -> str:
    """The text of an encoded call, with its messageId put first: one encoding serves every source of a fan-out."""
    return f'{{"messageId":"{message_id}",{encoded[1:].decode()}'


def storable(value: object, limit: int) -> str:
    """At most `limit` characters of a value from outside, without what PostgreSQL refuses: NUL and lone surrogates."""
    if isinstance(value, str) and len(value) <= limit and value.isprintable():
        return value
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text[:limit].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
