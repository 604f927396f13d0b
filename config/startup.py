"""What happens before a command of manage.py: the environment is read and the servers that it needs are there."""

import os
from pathlib import Path
from typing import Final

from config.embedded.errors import EmbeddedError
from config.embedded.joining import SETTINGS, join
from config.environment import BASE_DIR, read_env_file

WITHOUT_SERVERS: Final = frozenset(
    {
        *("check", "collectstatic", "diffsettings", "findstatic", "help", "makemigrations", "stop", "version"),
        # Pure work on the Spec, on names and on the registry.
        *("lint_events", "lint_name", "spec_events", "source_page", "integration_page"),
    }
)
"""Commands that talk to neither database nor broker."""

MIGRATE_THEMSELVES: Final = frozenset({"flush", "migrate", "run", "showmigrations", "sqlmigrate"})

_NOWHERE: Final = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
"""For commands without servers: the settings want an address, and nobody will call."""


def prepare(arguments: list[str]) -> None:
    """Make ready for `manage.py ARGUMENTS`; ends the program with a sentence when that cannot be."""
    read_env_file()
    command = arguments[0] if arguments else "help"
    missing = [name for name, setting in SETTINGS.items() if not os.environ.get(setting)]
    if not missing:
        return
    if command.startswith("-") or command in WITHOUT_SERVERS or {"-h", "--help"} & set(arguments):
        os.environ.update({SETTINGS[name]: _NOWHERE[SETTINGS[name]] for name in missing})
        return
    try:
        join(var_dir(), missing)
    except EmbeddedError as error:
        raise SystemExit(str(error)) from None
    if "postgres" in missing and command not in MIGRATE_THEMSELVES:
        bring_up_to_date()


def var_dir() -> Path:
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var")


def bring_up_to_date() -> None:
    """Migrate the embedded database if it is behind. Prints nothing: a command's output may be for a program."""
    import django
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from config.embedded.locks import FileLock

    django.setup()
    # Two commands at once must not both create the tables; the second finds nothing left to do.
    lock = FileLock(var_dir() / "embedded" / "migrate")
    lock.wait(120)
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)
    lock.release()
