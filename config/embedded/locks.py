import fcntl
import os
import time
from pathlib import Path


class FileLock:
    """A lock of the kernel's on a file: it ends with the process that holds it, however that ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Closed on exec, so that a child holds it only when it is handed over on purpose.
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock, or change its kind, without waiting; False when others are in the way."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait(self, seconds: float, *, shared: bool = False) -> bool:
        """Take the lock, waiting for it up to so many seconds; False when it stayed taken."""
        deadline = time.monotonic() + seconds
        while not self.take(shared=shared):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def release(self) -> None:
        os.close(self.descriptor)


def is_held(path: Path) -> bool:
    """Does anybody hold the lock of this file?"""
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        return not lock.take(shared=True)
    finally:
        lock.release()
