"""From the bytes of a body to the JSON object in it."""

import json
from typing import Any, Final

import orjson

from integrations.errors import RequestError

MAX_BODY_BYTES: Final = 500 * 1_024
"""Of a body, unpacked. Segment's 500 KB in the wider reading: segment-analytics-python checks a batch after it is too
long, and makes bodies of over 500,000 bytes (segment.md). What is sent on is cut anew to the narrower one."""


def parse(body: bytes) -> dict[str, Any]:
    """Raises RequestError."""
    found = _parsed(body)
    if not isinstance(found, dict):
        raise RequestError(400, "The body is JSON, but not an object: wrap it in { }.", "not_an_object")
    return found


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _parsed_leniently(body)


def _parsed_leniently(body: bytes) -> Any:
    """NaN and half a surrogate pair, which Segment's libraries write when they are given them, are read here.

    The linter then refuses that one event, where Segment would refuse the batch.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise RequestError(400, "The JSON is nested too deeply.", "too_deep") from None
    except ValueError:
        raise RequestError(400, "The body is not JSON in UTF-8.", "not_json") from None
