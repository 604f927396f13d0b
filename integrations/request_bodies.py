"""The body of a request from a program, read in bounded memory whatever is sent."""

import base64
import binascii
import zlib
from typing import Any, Final

from django.http import HttpRequest

from integrations.errors import RequestError

GZIP: Final = 16 + zlib.MAX_WBITS
"""For zlib: a gzip header, and no other."""

PIECE_BYTES: Final = 500_000
THROWN_AWAY_BYTES: Final = 20 * PIECE_BYTES
"""Read of a body that is too long, so that its sender gets the answer; past it the connection is closed."""


def receive(request: HttpRequest, limit: int) -> bytes:
    """The body as it was sent. Raises RequestError when that is over `limit` bytes.

    To be called before anything is refused: gunicorn drops the connection when much of a body is left unread, and a
    client that is still sending would not see the answer, and try again.
    """
    # Django reads nothing of a chunked body; a server that says so ends it where it ends.
    stream = request.META["wsgi.input"] if request.META.get("wsgi.input_terminated") else request
    try:
        body: bytes = stream.read(limit + 1)
        if len(body) <= limit:
            return body
        _throw_away(stream)
    except OSError:
        raise RequestError(400, "The connection ended before the body did.", "body_broken") from None
    raise _too_large(limit)


def unpack(body: bytes, request: HttpRequest, limit: int) -> bytes:
    """What the Content-Encoding of the request hides, of `limit` bytes at most. Raises RequestError."""
    match request.headers.get("Content-Encoding", "").strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzipped(body, limit)
    message = "This Content-Encoding is not understood: send gzip, or none at all."
    raise RequestError(415, message, "encoding_unknown")


def basic_user(request: HttpRequest) -> str | None:
    """The user name of Basic authentication, where Segment puts a key; None without such a header.

    Raises RequestError when the header cannot be read.
    """
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise RequestError(401, "The Authorization header is not base64 of “KEY:”.", "key_unreadable") from None
    return decoded.partition(":")[0]


def _throw_away(stream: Any) -> None:
    for _ in range(THROWN_AWAY_BYTES // PIECE_BYTES):
        if not stream.read(PIECE_BYTES):
            return


def _gunzipped(body: bytes, limit: int) -> bytes:
    """A bomb stops at the limit: zlib is asked for one byte more than allowed, and no more."""
    unzip = zlib.decompressobj(GZIP)
    try:
        unpacked = unzip.decompress(body, limit + 1)
    except zlib.error:
        unpacked = b""
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unzip.eof:
        message = "Content-Encoding says gzip, but the body is not, or not all of it."
        raise RequestError(400, message, "gzip_broken")
    return unpacked


def _too_large(limit: int) -> RequestError:
    return RequestError(413, f"The body is over {limit:,} bytes: send smaller batches.", "too_large")
