"""The HTTP client for Segment: one request in, one Answer out, whatever the other side does."""

import base64
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
from django.conf import settings
from django.db import connection

from delivery.bodies import Body
from delivery.clock import estimated_now
from delivery.deadline import DeadlineBackend, deadline
from delivery.errors import InsecureUrlError
from delivery.outcomes import Answer, classify, no_answer
from integrations.enums import Region
from integrations.secrets import Secret

DEADLINE_SECONDS: Final = 25.0
"""For a whole request, connecting included. Under 30 s, so that a worker told to stop can finish what is in flight."""

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 20.0
IDLE_SECONDS: Final = 5.0
"""A connection that nobody used for so long is not used again: the other side may be about to close it."""

ANSWER_BYTES: Final = 16_384
"""So much of an answer is read. Segment's are some 20 bytes long."""


def post_batch(
    url: str, write_key: Secret, body: bytes | Body, *, number: int = 1, before: Callable[[], None] = lambda: None
) -> Answer:
    """POST a batch body to a `batch_url`; `number` counts the attempts. Raises nothing for what the other side does.

    `before` is called when a connection stands and nothing of the request has left: what it raises is raised here. A
    `Body` is made after that.

    No transaction may be open: it would stay open for as long as Segment likes.
    """
    if connection.in_atomic_block:
        raise RuntimeError("A request to Segment was about to be made inside a transaction.")
    try:
        with (
            _client() as http,
            deadline(DEADLINE_SECONDS),
            http.stream(
                "POST",
                url,
                headers=_headers(write_key, number, len(body)),
                content=body if isinstance(body, bytes) else iter(body),
                extensions={"timeout": _TIMEOUTS, "trace": partial(_call_before, before)},
            ) as response,
        ):
            text = _beginning(response)
    except _FAILURES as error:
        return no_answer(error)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    return classify(response.status, headers, _without(write_key, text), estimated_now())


def _call_before(before: Callable[[], None], event: str, _info: dict[str, Any]) -> None:
    if event == "http11.send_request_headers.started":
        before()


_TIMEOUTS: Final = {"connect": CONNECT_SECONDS, "read": READ_SECONDS, "write": READ_SECONDS, "pool": READ_SECONDS}
_FAILURES: Final = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)
"""What the other side can do: httpcore's errors have no class in common."""


def _headers(write_key: Secret, number: int, length: int) -> list[tuple[str, str]]:
    headers = [
        ("Authorization", _basic(write_key)),
        ("Content-Type", "application/json"),
        ("Content-Length", str(length)),
        ("User-Agent", f"{settings.INTEGRATION_SLUG}/{settings.INTEGRATION_VERSION}"),
        ("Accept-Encoding", "identity"),
    ]
    if number > 1:
        headers.append(("X-Retry-Count", str(number - 1)))  # as Segment's own clients say it
    return headers


def batch_url(region: Region) -> str:
    """Raises InsecureUrlError unless it is https or this very machine."""
    url = settings.SEGMENT_URLS[region.value].rstrip("/") + "/batch"
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return url
    raise InsecureUrlError(f"SEGMENT_{region.value.upper()}_URL must be https: it carries write keys.")


@contextmanager
def _client() -> Iterator[httpcore.ConnectionPool]:
    """One that nobody else uses meanwhile: the last one given back, whose connection is the likeliest to be open still.

    Threads can share a pool, but it looks through all its connections at each request, several times and under one
    lock: with 50 threads that took more time than all the rest.
    """
    try:
        client = _idle.pop()
    except IndexError:
        client = _new()
    try:
        yield client
    finally:
        _idle.append(client)


_idle: Final[deque[httpcore.ConnectionPool]] = deque()
"""As many as were ever in use at once. A deque needs no lock."""


def _new() -> httpcore.ConnectionPool:
    """httpcore and not httpx on top of it: half the time for a small request, and sockets that keep to a deadline. It
    follows no redirect and reads no proxy from the environment.
    """
    return httpcore.ConnectionPool(
        ssl_context=_trusted(), keepalive_expiry=IDLE_SECONDS, network_backend=DeadlineBackend()
    )


@cache
def _trusted() -> ssl.SSLContext:
    """For all clients: reading the authorities' certificates takes 20 ms."""
    return ssl.create_default_context()


def close_connections() -> None:
    """Let go of the connections that are kept open; the next request opens new ones."""
    while _idle:
        _idle.pop().close()


def _basic(write_key: Secret) -> str:
    """Partners must send the key in the header, as user name with an empty password."""
    return "Basic " + base64.b64encode(f"{write_key.reveal()}:".encode()).decode()


def _beginning(response: httpcore.Response) -> str:
    received = b""
    for chunk in response.iter_stream():
        received += chunk
        if len(received) >= ANSWER_BYTES:
            break
    return received[:ANSWER_BYTES].decode(errors="replace")


def _without(write_key: Secret, text: str) -> str:
    """An answer may quote the request; the log must not."""
    return text.replace(write_key.reveal(), "********").replace(_basic(write_key).removeprefix("Basic "), "********")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
