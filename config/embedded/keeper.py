"""The keeper of one server. config/embedded/__init__.py has the whole idea."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from config.embedded.errors import EmbeddedError
from config.embedded.locks import FileLock
from config.embedded.places import places_of
from config.embedded.server import Server

_LOOK_EVERY: Final = 0.2
"""Seconds between two looks at whether users are left."""

_RESTART_AFTER: Final = 1.0
"""Seconds before a server that crashed is started again."""


def published(var: Path, name: str) -> Path:
    """Where the keeper writes the server's URL."""
    return var / "embedded" / f"{name}.json"


def lock_path(var: Path, name: str, kind: str) -> Path:
    return var / "embedded" / f"{name}.{kind}"


def log_path(var: Path, name: str) -> Path:
    return var / "log" / f"{name}.log"


def keep(var: Path, name: str) -> None:
    """Run the server until its last user is gone."""
    alive = FileLock(lock_path(var, name, "keeper"))
    if not alive.take():
        return
    remains = FileLock(lock_path(var, name, "server"))
    if not remains.wait(Server.seconds_to_stop + 10):
        raise EmbeddedError(f"An earlier {name} server of this checkout does not end: stop it by hand and try again.")
    server = _server(var, name)
    server.prepare()
    signal.signal(signal.SIGTERM, _leave)
    try:
        server.start(keep=[remains.descriptor])
        _publish(var, server)
        users = FileLock(lock_path(var, name, "users"))
        while not users.take():
            time.sleep(_LOOK_EVERY)
            _look_after(server, remains)
    finally:
        published(var, name).unlink(missing_ok=True)
        server.stop()


def _server(var: Path, name: str) -> Server:
    places = places_of(var)
    log = log_path(var, name)
    if name == "postgres":
        from config.embedded.postgres import Postgres

        return Postgres(places, log)
    from config.embedded.valkey import Valkey

    return Valkey(places, log)


def _look_after(server: Server, remains: FileLock) -> None:
    if not server.alive():
        time.sleep(_RESTART_AFTER)
        server.start(keep=[remains.descriptor])


def _publish(var: Path, server: Server) -> None:
    path = published(var, server.name)
    attempt = path.with_suffix(".new")
    attempt.unlink(missing_ok=True)
    attempt.touch(0o600)
    attempt.write_text(json.dumps({"url": server.url, "keeper": os.getpid()}))
    attempt.rename(path)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
