"""The programs of `make run`: the stand-in for Segment, web, worker and beat."""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from config.embedded.server import HOST
from config.supervisor import Program

_FIRST_PORT: Final = 8000
_PORTS: Final = 100
_SANDBOX_ABOVE: Final = 100
"""The stand-in's port is this much above the web's: two copies with two web ports do not race for one."""

_CELERY: Final = [sys.executable, "-m", "celery", "-A", "config.celery"]


def listen(port: int) -> socket.socket | None:
    """A socket listening on this port of loopback, None when it is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        return None
    return listener


def listen_anywhere(first: int = _FIRST_PORT) -> socket.socket | None:
    """A socket on the first free port from here."""
    sockets = (listen(port) for port in range(first, first + _PORTS))
    return next((found for found in sockets if found is not None), None)


def web(listener: socket.socket, logs: Path) -> Program:
    # The socket is ours and handed down, so nobody can take the port while the server starts again.
    descriptor = listener.fileno()
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"fd://{descriptor}"]
    return Program("web", command, logs / "web.log", keep=[descriptor])


def worker(logs: Path) -> Program:
    command = [*_CELERY, "worker", "--pool", "threads", "--concurrency", "8", "-Q", "us,eu,sweep,exports"]
    return Program(
        "worker", [*command, "--without-mingle", "--without-gossip", "--loglevel", "INFO"], logs / "worker.log"
    )


def beat(logs: Path) -> Program:
    # This scheduler keeps its times in memory: the sweep may as well come a second early after a start.
    command = [*_CELERY, "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", "", "--loglevel", "INFO"]
    return Program("beat", command, logs / "beat.log")


def sandbox(port: int, logs: Path) -> Program:
    command = [sys.executable, "-m", "sandbox", "--port", str(port)]
    return Program("stand-in", command, logs / "sandbox.log", secrets=False)


def sandbox_port(web_port: int) -> int:
    found = listen_anywhere(web_port + _SANDBOX_ABOVE)
    if found is None:
        return 0
    with found:
        port: int = found.getsockname()[1]
        return port


def environment_of(web_port: int, sandbox: int | None) -> Mapping[str, str]:
    """What the programs find in their environment: what was set, and the addresses that were chosen."""
    chosen = {"SITE_URL": f"http://{HOST}:{web_port}", "WORKER_PROCESSES": "1", "PYTHONUNBUFFERED": "1"}
    if sandbox is not None:
        chosen |= {f"SEGMENT_{region}_URL": f"http://{HOST}:{sandbox}/{region.lower()}/v1" for region in ("US", "EU")}
    return chosen | os.environ
