"""The drills' own PostgreSQL and Valkey, on a disk of their own where the machine lets us make one."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from config.embedded.places import Places, unprivileged_user
from config.embedded.postgres import Postgres
from config.embedded.valkey import Valkey
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
DISK_BYTES = 700_000_000


class Servers:
    """Started once for all drills. A drill that stops one starts it again, with the same address and data."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="headwater-drills-"))
        self.disk = SmallDisk(self.folder / "disk")
        uid = unprivileged_user(ROOT / "var")
        for folder in (self.folder, self.disk.folder):
            folder.chmod(0o700 if uid is None else 0o711)
        places = Places(self.folder, self.disk.folder, uid)
        self.postgres = Postgres(places, self.folder / "postgres.log", fast=True)
        self.valkey = Valkey(places, self.folder / "valkey.log")

    def start(self) -> None:
        for server in (self.postgres, self.valkey):
            server.prepare()
            server.start()
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, **self.environment}, check=True, timeout=120)

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}

    def restart_postgres(self) -> None:
        """After it was stopped, or ended by itself."""
        self.postgres.stop()
        self.postgres.prepare()
        self.postgres.start()

    def full_disk(self) -> AbstractContextManager[None]:
        """As if the disk under the database were full."""
        if self.disk.real:
            return self.disk.full()
        assert self.postgres.process
        return _unable_to_grow(self.postgres.process.pid)

    def recover(self) -> None:
        """Whatever a drill did to them, both serve again."""
        for server in (self.postgres, self.valkey):
            if server.process and server.alive():
                server.process.send_signal(signal.SIGCONT)
        if not eventually(self.postgres.answers, seconds=5):
            self.restart_postgres()
        if not self.valkey.alive():
            self.valkey.start()

    def remove(self) -> None:
        for server in (self.postgres, self.valkey):
            server.stop()
        self.disk.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class SmallDisk:
    """A file system of a known size: one in memory when we may mount it, else a plain folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mount = shutil.which("mount") or "mount"
        command = [mount, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "headwater-drills", str(folder)]
        self.real = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0

    @contextmanager
    def full(self) -> Iterator[None]:
        """No byte is free."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1_000_000, 4_096, 1):
                _write_all(file.fileno(), b"x" * size)
        try:
            yield
        finally:
            filler.unlink()

    def remove(self) -> None:
        if self.real:
            umount = shutil.which("umount") or "umount"
            subprocess.run([umount, str(self.folder)], check=True, timeout=30)


def _write_all(descriptor: int, chunk: bytes) -> None:
    with suppress(OSError):
        while os.write(descriptor, chunk):
            pass


@contextmanager
def _unable_to_grow(pid: int) -> Iterator[None]:
    """The files of a PostgreSQL stay as long as they are: those that it makes anew as well."""
    for process in _family(pid):
        resource.prlimit(process, resource.RLIMIT_FSIZE, (8_192, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        _let_grow(pid)


def _let_grow(pid: int) -> None:
    for process in _family(pid):
        with suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *map(int, children.read_text().split())] if children.exists() else []
