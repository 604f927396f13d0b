"""From a request to the JSON object in it, in bounded memory whatever is sent."""

import json
import zlib
from typing import Any, Final

import orjson
from django.http import HttpRequest

from delivery.ingest.errors import RequestRefusedError

MAX_BODY_BYTES: Final = 500 * 1_024
"""Of a body, unpacked. Segment's 500 KB in the wider reading: segment-analytics-python checks a batch after it is too
long, and makes bodies of over 500,000 bytes (segment.md). What is sent on is cut anew to the narrower one."""

THROWN_AWAY_BYTES: Final = 20 * MAX_BODY_BYTES
"""Read of a body that is too long, so that its sender gets the answer; past it the connection is closed."""

GZIP: Final = 16 + zlib.MAX_WBITS
"""For zlib: a gzip header, and no other."""


def read(request: HttpRequest) -> bytes:
    """The body as it was sent. Raises RequestRefusedError when it is too long.

    To be called before anything is refused: gunicorn drops the connection when much of a body is left unread, and a
    client that is still sending would not see the answer, and try again.
    """
    # Django reads nothing of a chunked body; a server that says so ends it where it ends.
    stream = request.META["wsgi.input"] if request.META.get("wsgi.input_terminated") else request
    try:
        body: bytes = stream.read(MAX_BODY_BYTES + 1)
        if len(body) <= MAX_BODY_BYTES:
            return body
        _throw_away(stream)
    except OSError:
        raise RequestRefusedError(400, "body_broken", "The connection ended before the body did.") from None
    raise _too_large()


def parse(body: bytes, encoding: str) -> dict[str, Any]:
    """The JSON object in a body; `encoding` is its Content-Encoding. Raises RequestRefusedError."""
    found = _parsed(_unpacked(body, encoding))
    if not isinstance(found, dict):
        raise RequestRefusedError(400, "not_an_object", "The body is JSON, but not an object: wrap it in { }.")
    return found


def _throw_away(stream: Any) -> None:
    for _ in range(THROWN_AWAY_BYTES // MAX_BODY_BYTES):
        if not stream.read(MAX_BODY_BYTES):
            return


def _unpacked(body: bytes, encoding: str) -> bytes:
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzipped(body)
    raise RequestRefusedError(
        415, "encoding_unknown", "This Content-Encoding is not understood: send gzip, or none at all."
    )


def _gunzipped(body: bytes) -> bytes:
    """A bomb stops at the limit: zlib is asked for one byte more than allowed, and no more."""
    unzip = zlib.decompressobj(GZIP)
    try:
        unpacked = unzip.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        unpacked = b""
    if len(unpacked) > MAX_BODY_BYTES:
        raise _too_large()
    if not unzip.eof:
        raise RequestRefusedError(
            400, "gzip_broken", "Content-Encoding says gzip, but the body is not, or not all of it."
        )
    return unpacked


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
        raise RequestRefusedError(400, "too_deep", "The JSON is nested too deeply.") from None
    except ValueError:
        raise RequestRefusedError(400, "not_json", "The body is not JSON in UTF-8.") from None


def _too_large() -> RequestRefusedError:
    message = f"The body is over {MAX_BODY_BYTES:,} bytes of JSON (500 KB): send smaller batches."
    return RequestRefusedError(413, "too_large", message)
