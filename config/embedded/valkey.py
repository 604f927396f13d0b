import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

import redis

from config.embedded.binaries import valkey_program
from config.embedded.places import Places
from config.embedded.server import HOST, Server, give_to


class Valkey(Server):
    """A Valkey with a password that writes nothing to disk: it holds hints and counters only."""

    name = "valkey"
    setting = "REDIS_URL"
    stop_signal = signal.SIGTERM

    def __init__(self, places: Places, log: Path) -> None:
        super().__init__(places, log)
        self._password = secrets.token_urlsafe(24)
        self._folder = places.data / "valkey"

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{HOST}:{self.port}/0"

    def prepare(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        give_to(self.places.uid, self._folder)

    def command(self) -> Sequence[str | Path]:
        # The configuration comes from standard input: a command line is for all to see.
        return [valkey_program(), "-"]

    def configuration(self) -> bytes:
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self._password}",
            f'dir "{self._folder}"',
            'save ""',
            "appendonly no",
        ]
        return "\n".join(lines).encode() + b"\n"

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
