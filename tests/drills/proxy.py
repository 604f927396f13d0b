"""A TCP proxy between a worker and the stand-in that a drill can make fail below HTTP."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Proxy:
    """`passing` False: connections are taken and held, and not a byte goes on. `heard` is what came, after TLS."""

    def __init__(self, target: str, context: ssl.SSLContext | None = None) -> None:
        self.passing = True
        self.connections = 0
        self.heard = b""
        self._target = urlsplit(target)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}{self._target.path}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A client that goes away, or does not trust us, is what many drills are about.
        with contextlib.suppress(OSError):
            near = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            far = socket.create_connection((self._target.hostname or "", self._target.port or 80))
            self._ends += [near, far]
            threading.Thread(target=self._carry, args=(far, near), daemon=True).start()
            self._carry(near, far, listen=True)

    def _carry(self, source: socket.socket, sink: socket.socket, *, listen: bool = False) -> None:
        with contextlib.suppress(OSError), source, sink:
            while chunk := source.recv(65_536):
                if listen:
                    self.heard += chunk
                if self.passing:
                    sink.sendall(chunk)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            end.close()


@contextmanager
def proxy(target: str, context: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    made = Proxy(target, context)
    yield made
    made.close()
