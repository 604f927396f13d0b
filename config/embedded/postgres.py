import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from config.embedded.binaries import postgres_folder
from config.embedded.errors import EmbeddedError
from config.embedded.places import Places
from config.embedded.server import HOST, Server, give_to

ROLE: Final = "headwater"
"""The application's role and its database."""

_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # A failed statement carries people's data: neither it nor the failing row is written to the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_FAST: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    """A PostgreSQL on loopback with passwords; `fast` gives up surviving a power cut, for tests."""

    name = "postgres"
    setting = "DATABASE_URL"
    stop_signal = signal.SIGINT

    def __init__(self, places: Places, log: Path, *, fast: bool = False) -> None:
        super().__init__(places, log)
        self._settings = _SETTINGS | (_FAST if fast else {})
        self._folder = places.data / "postgres"
        self._passwords: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"postgres://{ROLE}:{self._passwords[ROLE]}@{HOST}:{self.port}/{ROLE}"

    def prepare(self) -> None:
        self._passwords = _passwords(self.places.data / "passwords.json")
        if not self._folder.exists():
            self._create()
        self._check_version()
        # Left by a server that was killed; its process id may be somebody else's by now, and the caller knows that none
        # of ours lives.
        (self._folder / "postmaster.pid").unlink(missing_ok=True)

    def command(self) -> Sequence[str | Path]:
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        return [postgres_folder() / "bin" / "postgres", "-D", self._folder, "-p", str(self.port), *settings]

    def answers(self) -> bool:
        try:
            with self._connect() as connection:
                self._ensure_role(connection)
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user="postgres",
            password=self._passwords["postgres"],
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _ensure_role(self, connection: psycopg.Connection) -> None:
        role = sql.Identifier(ROLE)
        # Encrypted here, so that the password itself travels in no statement.
        password = sql.Literal(
            connection.pgconn.encrypt_password(self._passwords[ROLE].encode(), ROLE.encode()).decode()
        )
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN CREATEDB NOSUPERUSER PASSWORD {}").format(role, password))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [ROLE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))

    def _create(self) -> None:
        """Run initdb beside the final place and rename: a half-made cluster is never used."""
        for leftover in self.places.data.glob("initdb-*"):
            shutil.rmtree(leftover)
        attempt = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.places.data))
        password = attempt / "password"
        password.touch(0o600)
        password.write_text(self._passwords["postgres"])
        maker = _maker(self.places)
        give_to(maker, attempt)
        self._initdb(attempt / "cluster", password, maker)
        give_to(self.places.uid, attempt)
        (attempt / "cluster").rename(self._folder)
        shutil.rmtree(attempt)

    def _initdb(self, cluster: Path, password: Path, uid: int | None) -> None:
        command: list[str | Path] = [
            *(postgres_folder() / "bin" / "initdb", "--pgdata", cluster),
            *("--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"),
            # PostgreSQL's own locale: the machine may have none.
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
        ]
        groups: list[int] | None = None if uid is None else []
        done = subprocess.run(
            command, cwd="/", user=uid, group=uid, extra_groups=groups, capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"exit code {done.returncode}"
            raise EmbeddedError(
                f"The embedded PostgreSQL could not make its database ({reason}): set DATABASE_URL instead."
            )

    def _check_version(self) -> None:
        made_by = (self._folder / "PG_VERSION").read_text().strip()
        program = subprocess.run(
            [postgres_folder() / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True, cwd="/"
        )
        ours = program.stdout.split()[-1].split(".")[0]
        if made_by != ours:
            raise EmbeddedError(
                f"The data in {self._folder} was made by PostgreSQL {made_by}, and PostgreSQL {ours} is installed: "
                "move that folder away to begin anew, or carry the data over with pg_dump."
            )


def _passwords(path: Path) -> dict[str, str]:
    """The passwords of the superuser and of the application, made once."""
    if not path.exists():
        attempt = path.with_suffix(".new")
        attempt.unlink(missing_ok=True)
        attempt.touch(0o600)
        attempt.write_text(json.dumps({role: secrets.token_urlsafe(24) for role in ("postgres", ROLE)}))
        attempt.rename(path)
    passwords: dict[str, str] = json.loads(path.read_text())
    return passwords


def _maker(places: Places) -> int | None:
    """Whom initdb runs as: unlike the server it refuses a user id that has no entry in the password file."""
    if places.uid is None:
        return None
    return next(entry.pw_uid for entry in sorted(pwd.getpwall(), key=_nobody_first) if entry.pw_uid != os.geteuid())


def _nobody_first(entry: pwd.struct_passwd) -> bool:
    return entry.pw_name != "nobody"
