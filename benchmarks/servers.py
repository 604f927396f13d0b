"""The PostgreSQL and Valkey of one run of the benchmarks: as in `make run`, durable, in a temporary folder."""

import base64
import json
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql

from config.embedded.postgres import ROLE, Postgres
from config.embedded.valkey import Valkey
from tests.servers import new_places, remove


class Servers:
    """To be made before Django is set up: it says what the settings read."""

    def __init__(self) -> None:
        self.places = new_places()
        self.postgres = Postgres(self.places, self.places.var / "postgres.log")
        self.valkey = Valkey(self.places, self.places.var / "valkey.log")
        self.database = ROLE

    @property
    def folder(self) -> Path:
        return self.places.var

    def start(self) -> None:
        for server in (self.postgres, self.valkey):
            server.prepare()
            server.start()
        os.environ |= _environment() | {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}
        for name in ("SEGMENT_US_URL", "SEGMENT_EU_URL", "INTEGRATION_SLUG", "INTEGRATION_VERSION"):
            os.environ.pop(name, None)

    def stop(self) -> None:
        remove([self.postgres, self.valkey], self.places)

    def prepare(self) -> None:
        """Set Django up and migrate the database that the row's are copied from."""
        import django
        from django.core.management import call_command
        from django.db import connection

        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        connection.close()

    def renew(self, name: str) -> None:
        """A database of its own for a row, and an empty Valkey; the database of the row before is dropped."""
        old, self.database = self.database, f"row_{name}"
        self._use(self.database)
        with self._superuser() as connection:
            if old != ROLE:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(old)))
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
            identifiers = (sql.Identifier(part) for part in (self.database, ROLE, ROLE))
            connection.execute(create.format(*identifiers))
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushdb()

    def settle(self) -> None:
        """Statistics, dead rows and dirty pages as in a database that has run for a while, the same for both sides."""
        with psycopg.connect(self._url(self.database), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
        with self._superuser() as connection:
            connection.execute("CHECKPOINT")

    def _use(self, database: str) -> None:
        from django.conf import settings
        from django.db import connection

        connection.close()
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = database
        os.environ["DATABASE_URL"] = self._url(database)

    def _url(self, database: str) -> str:
        return urlsplit(self.postgres.url)._replace(path=f"/{database}").geturl()

    def _superuser(self) -> psycopg.Connection[Any]:
        passwords = json.loads((self.places.data / "passwords.json").read_text())
        parts = urlsplit(self.postgres.url)
        return psycopg.connect(
            host=parts.hostname, port=parts.port, user="postgres", password=passwords["postgres"],
            dbname="postgres", autocommit=True,
        )  # fmt: skip


def _environment() -> dict[str, str]:
    """What the settings read, whatever a developer's .env or shell says. Nothing goes through a proxy."""
    return {
        "HEADWATER_ENV_FILE": "",
        "DEBUG": "0",
        "DEMO": "0",
        "STATIC_COLLECTED": "0",
        "SITE_URL": "http://127.0.0.1:8000",
        "ALLOWED_HOSTS": "127.0.0.1",
        "EMAIL_URL": "smtp://localhost:25",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": "bench:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "NO_PROXY": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
