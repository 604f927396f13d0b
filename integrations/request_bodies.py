"""The body of a request from a program, read in bounded memory whatever is sent."""

import base64
import binascii
import zlib
from typing import Final

from django.http import HttpRequest, UnreadablePostError

from integrations.errors import RequestError

GZIP: Final = 16 + zlib.MAX_WBITS
"""For zlib: a gzip header, and no other."""


def read_body(request: HttpRequest, limit: int) -> bytes:
    """The body, unpacked, of `limit` bytes at most. Raises RequestError."""
    body = _read(request, limit)
    match request.headers.get("Content-Encoding", "").strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzipped(body, limit)
    raise RequestError(415, "This Content-Encoding is not understood: send gzip, or none at all.")


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
        raise RequestError(401, "The Authorization header is not base64 of “KEY:”.") from None
    return decoded.partition(":")[0]


def _read(request: HttpRequest, limit: int) -> bytes:
    """One byte more than allowed is read, and the rest of it left to the server to throw away."""
    if int(request.headers.get("Content-Length") or 0) > limit:
        raise _too_large(limit)
    # Django reads nothing of a chunked body; a server that says so ends it where it ends.
    stream = request.META["wsgi.input"] if request.META.get("wsgi.input_terminated") else request
    try:
        body: bytes = stream.read(limit + 1)
    except (OSError, UnreadablePostError):
        raise RequestError(400, "The connection ended before the body did.") from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


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
        raise RequestError(400, "Content-Encoding says gzip, but the body is not, or not all of it.")
    return unpacked


def _too_large(limit: int) -> RequestError:
    return RequestError(413, f"The body is over {limit:,} bytes: send smaller batches.")
