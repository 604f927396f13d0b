"""Sockets that keep to a deadline for a whole request.

httpcore's timeouts limit each single read and write: an answer that comes as one byte a second never breaks them, and
in its headers no code of ours runs between two bytes. Here each operation gets what is left of the request's time.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import httpcore

from delivery.resolver import addresses

_ends: ContextVar[float | None] = ContextVar("delivery_deadline", default=None)

WRITE_BYTES: Final = 65_536
"""Written at once; between two such pieces the clock is looked at."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let network operations in this block last that long altogether."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def _remaining(timeout: float | None, late: type[Exception]) -> float | None:
    """The smaller of `timeout` and what is left; raises `late` when nothing is."""
    ends = _ends.get()
    if ends is None:
        return timeout
    left = ends - time.monotonic()
    if left <= 0:
        raise late("The deadline of the request has passed.")
    return left if timeout is None else min(timeout, left)


class DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            self._stream.write(buffer[start : start + WRITE_BYTES], _remaining(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _remaining(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """To the first of the host's addresses that answers; each has `timeout`, and all of them what is left."""
        failure: Exception = httpcore.ConnectError("The host has no address.")
        for address in _addresses(host):
            try:
                left = _remaining(timeout, httpcore.ConnectTimeout)
                return DeadlineStream(super().connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _addresses(host: str) -> list[str]:
    """A resolver with several servers asks the next one when the first is silent, so it gets all that is left."""
    try:
        return addresses(host, _remaining(None, httpcore.ConnectTimeout))
    except TimeoutError as error:
        raise httpcore.ConnectTimeout("The host was not found in time.") from error
    except OSError as error:
        raise httpcore.ConnectError(error) from error
