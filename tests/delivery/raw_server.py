"""A server that says whatever bytes a test wants, at the pace that it wants: below what the stand-in can do."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Hands each connection to `serve` and gives the base URL. Errors of a client that has left are expected."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_serve, args=(serve, connection), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _serve(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    try:
        with connection:
            serve(connection)
    except OSError:
        return
