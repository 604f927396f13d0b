"""The drills' own PostgreSQL and Valkey, on a disk of their own where the machine lets us make one."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from config.embedded.places import Places, unprivileged_user
from config.embedded.postgres import Postgres
from config.embedded.valkey import Valkey

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

    def recover(self) -> None:
        """Whatever a drill did to them, both serve again."""
        for server in (self.postgres, self.valkey):
            if server.process and server.alive():
                server.process.send_signal(signal.SIGCONT)
        if not self.postgres.alive():
            self.restart_postgres()
        if not self.valkey.alive():
            self.valkey.start()

    def remove(self) -> None:
        for server in (self.postgres, self.valkey):
            server.stop()
        self.disk.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class SmallDisk:
    """A file system of a known size: one in memory when we may mount it, else a plain folder that is never full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "headwater-drills", str(folder)]
        self.real = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            for size in (1_000_000, 4_096, 1):
                _write_all(filler.fileno(), b"x" * size)

    def free(self) -> None:
        (self.folder / "filler").unlink()

    def remove(self) -> None:
        if self.real:
            umount = shutil.which("umount") or "umount"
            subprocess.run([umount, str(self.folder)], check=True, timeout=30)


def _write_all(descriptor: int, chunk: bytes) -> None:
    try:
        while os.write(descriptor, chunk):
            pass
    except OSError:
        return
