import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from config.embedded import processes
from config.embedded.errors import EmbeddedError
from config.embedded.places import Places

HOST: Final = "127.0.0.1"


class Server(ABC):
    """A server program that this process runs as its child."""

    name: ClassVar[str]
    setting: ClassVar[str]
    """The setting that names a server of one's own instead."""
    stop_signal: ClassVar[signal.Signals]
    seconds_to_start: ClassVar[float] = 60
    seconds_to_stop: ClassVar[float] = 20

    def __init__(self, places: Places, log: Path) -> None:
        self.places = places
        self.log = log
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address with the password: a secret."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what the server needs before its first start; nothing of an earlier run lives any more."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]: ...

    @abstractmethod
    def answers(self) -> bool:
        """Does the server accept our password?"""

    def configuration(self) -> bytes:
        """What the program reads from its standard input."""
        return b""

    def start(self, keep: Sequence[int] = ()) -> None:
        """Start the server and wait until it answers; `keep` are descriptors that it inherits.

        A port that was used before is used again, so that the URL stays true when the server is started anew.
        """
        for _ in range(3):
            self.port = self.port or free_port()
            self._spawn(keep)
            if self._wait():
                return
            self.port = 0
        raise EmbeddedError(
            f"{self.name} did not start ({last_line(self.log)}): {self.log} says more. A server of your own can be "
            f"named in {self.setting}."
        )

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.process, self.stop_signal, self.seconds_to_stop)

    def _spawn(self, keep: Sequence[int]) -> None:
        with self.log.open("ab") as output:
            try:
                self.process = processes.spawn(
                    self.command(),
                    when_orphaned=self.stop_signal,
                    output=output,
                    uid=self.places.uid,
                    keep=keep,
                    env=processes.without_secrets(os.environ),
                    own_group=True,
                    stdin=subprocess.PIPE,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise EmbeddedError(
                    f"{self.name} could not be started as user {self.places.uid} ({error}): run as an ordinary user, "
                    f"or set {self.setting} to a server of your own."
                ) from None
        assert self.process.stdin is not None  # noqa: S101  # for the type checker: a pipe was asked for above
        self.process.stdin.write(self.configuration())
        self.process.stdin.close()

    def _wait(self) -> bool:
        deadline = time.monotonic() + self.seconds_to_start
        while self.alive() and time.monotonic() < deadline:
            if self.answers():
                return True
            time.sleep(0.02)
        self.stop()
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def give_to(uid: int | None, folder: Path) -> None:
    """Let this user own the folder and all that is in it."""
    if uid is None:
        return
    for path in (folder, *folder.rglob("*")):
        # A link planted by whoever owns the folder now must not lead us elsewhere.
        os.chown(path, uid, uid, follow_symlinks=False)


def last_line(log: Path) -> str:
    if not log.exists():
        return "it said nothing"
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
