"""The addresses of a host, for whoever cannot wait for ever: the system's resolver knows no deadline."""

import socket
import threading
from concurrent.futures import Future
from typing import Final

_lock: Final = threading.Lock()
_running: Final[dict[str, "Future[list[str]]"]] = {}


def addresses(host: str, seconds: float | None) -> list[str]:
    """Raises OSError as the resolver does, and TimeoutError, which is one too, when it takes longer than that.

    A lookup that nobody waits for any more goes on: whoever asks for the host meanwhile waits for the same one. So a
    resolver that hangs holds one thread for a host, and as a daemon that one keeps no process from ending.
    """
    with _lock:
        lookup = _running.get(host)
        if lookup is None:
            lookup = Future()
            threading.Thread(target=_look_up, args=(host, lookup), name=f"lookup of {host}", daemon=True).start()
            _running[host] = lookup
    return lookup.result(seconds)


def _look_up(host: str, lookup: "Future[list[str]]") -> None:
    found: list[str] = []
    failure: Exception | None = None
    try:
        known = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        found = list(dict.fromkeys(str(address[0]) for *_, address in known))
    except Exception as error:  # noqa: BLE001  # whoever waits for the lookup gets it, and would wait for ever for one that is never set
        failure = error
    with _lock:
        del _running[host]
    lookup.set_exception(failure) if failure else lookup.set_result(found)
