"""Gives each test run a PostgreSQL and a Valkey of its own, unless DATABASE_URL or REDIS_URL names one.

A plugin and not a conftest: pytest-django reads the settings before any conftest is loaded. The servers are children of
the test run and die with it, killed or not; the folder of a killed run is removed by the next one.

With pytest-xdist every worker has servers of its own and the controller none: no worker ever meets another's flags in
Redis or rows.
"""

import atexit
import base64
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from config.embedded.errors import EmbeddedError
from config.embedded.locks import FileLock
from config.embedded.places import Places, unprivileged_user
from config.embedded.postgres import Postgres
from config.embedded.processes import end_with_parent
from config.embedded.server import Server
from config.embedded.valkey import Valkey

PREFIX = "headwater-tests-"
ROOT = Path(__file__).resolve().parent.parent
NOWHERE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
"""What the controller of pytest-xdist says where its workers are to start a server of their own."""


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Everything the settings read is said here; a developer's .env has no part in the tests."""
    os.environ |= {
        "HEADWATER_ENV_FILE": "",
        "DEBUG": "0",
        "DEMO": "0",
        "STATIC_COLLECTED": "0",
        "SITE_URL": "http://127.0.0.1:8000",
        "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
        "EMAIL_URL": "smtp://localhost:25",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": "test:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    for name in ("SEGMENT_US_URL", "SEGMENT_EU_URL", "INTEGRATION_SLUG", "INTEGRATION_VERSION"):
        os.environ.pop(name, None)
    missing = [kind for kind in (Postgres, Valkey) if os.environ.get(kind.setting) in (None, "", NOWHERE[kind.setting])]
    if "PYTEST_XDIST_WORKER" in os.environ:
        # A controller that is killed takes its workers along, and they their servers.
        end_with_parent(signal.SIGKILL)
    elif Valkey not in missing:
        # Two workers in one given Redis would empty it under each other.
        args += ["-n", "0"]
    elif early_config.known_args_namespace.numprocesses:
        os.environ |= {kind.setting: NOWHERE[kind.setting] for kind in missing}
        return
    try:
        start(missing)
    except EmbeddedError as error:
        raise pytest.UsageError(str(error)) from None


def start(kinds: Sequence[type[Server]]) -> None:
    if not kinds:
        return
    places = new_places()
    servers = [make_server(kind, places) for kind in kinds]
    atexit.register(remove, servers, places)
    for server in servers:
        server.prepare()
        server.start()
        os.environ[server.setting] = server.url


def make_server(kind: type[Server], places: Places) -> Server:
    log = places.var / f"{kind.name}.log"
    return Postgres(places, log, fast=True) if kind is Postgres else Valkey(places, log)


def new_places() -> Places:
    """A folder for this run, locked as long as the run lives."""
    remove_leftovers()
    hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    FileLock(hidden / "alive").take()
    # Locked before the next run can see it.
    folder = hidden.rename(hidden.with_name(hidden.name[1:]))
    uid = unprivileged_user(ROOT / "var")
    # The unprivileged user that root's servers run as must be able to pass through to its own folders.
    folder.chmod(0o700 if uid is None else 0o711)
    return Places(folder, folder, uid)


def remove_leftovers() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid() or not (folder / "alive").exists():
            continue
        if FileLock(folder / "alive").take():
            shutil.rmtree(folder, ignore_errors=True)


def remove(servers: Iterable[Server], places: Places) -> None:
    for server in servers:
        server.stop()
    shutil.rmtree(places.data, ignore_errors=True)
