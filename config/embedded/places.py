"""Where the embedded servers keep their files, and as whom they run."""

import hashlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.embedded.errors import EmbeddedError

SHARED: Final = Path("/var/lib/headwater")
"""Where root's servers live: PostgreSQL refuses to run as root, and whom it runs as may not reach the checkout."""

_FIRST_UID, _UIDS = 30_000, 29_000
"""Above the people of most machines, below 65,536, beyond which a container may have no ids."""


@dataclass(frozen=True)
class Places:
    var: Path
    """The checkout's var/: locks, URLs and logs."""
    data: Path
    """Data and passwords of the servers."""
    uid: int | None
    """The user and group that the servers run as; None is ourselves."""


def places_of(var: Path) -> Places:
    """The places that belong to this var/ folder; makes the folders."""
    _make_var(var)
    if os.geteuid() != 0:
        data = var / "embedded" / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Places(var, data, None)
    data = _shared_folder(var)
    return Places(var, data, unprivileged_user(var))


def unprivileged_user(var: Path) -> int | None:
    """Whom the servers run as: None, ourselves, unless we are root. Then a user id that nobody has, always the same for
    this var/ folder, another for another copy of the project.
    """
    if os.geteuid() != 0:
        return None
    note = _shared_folder(var) / "uid"
    if note.exists():
        return int(note.read_text())
    taken = {int(other.read_text()) for other in SHARED.glob("*/uid")}
    uid = _FIRST_UID + int(note.parent.name, 16) % _UIDS
    while uid in taken or _has_entry(uid):
        uid = _FIRST_UID + (uid + 1 - _FIRST_UID) % _UIDS
    attempt = note.with_name(f"uid-{os.getpid()}")
    attempt.write_text(f"{uid}\n")
    attempt.rename(note)
    return uid


def _make_var(var: Path) -> None:
    try:
        for folder in (var, var / "embedded", var / "log"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = var.stat().st_uid
    except OSError as error:
        raise EmbeddedError(
            f"{var} cannot be used ({error.strerror}): run as the user whose it is, or name a folder in VAR_DIR."
        ) from None
    if owner != os.geteuid():
        raise EmbeddedError(
            f"{var} belongs to {_name_of(owner)}, and you are {_name_of(os.geteuid())}: run as {_name_of(owner)}, "
            "or remove that folder (its data goes with it)."
        )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _shared_folder(var: Path) -> Path:
    folder = SHARED / hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:16]
    try:
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.mkdir(mode=0o711, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(
            f"{folder} cannot be made ({error.strerror}), and as root the embedded servers live there: run as an "
            "ordinary user, or set DATABASE_URL and REDIS_URL."
        ) from None
    return folder


def _has_entry(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
