import os
import signal
import socket
import time
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError
from django.db.migrations.exceptions import InconsistentMigrationHistory

from config import programs, schema
from config.embedded import processes
from config.embedded.joining import is_embedded
from config.embedded.places import places_of
from config.running import SECONDS_TO_STOP, announce, claim, running
from config.supervisor import Program, Supervisor
from examples.campaigns.demo import DemoLogin, create_demo


class Command(BaseCommand):
    help = "Run web, worker, beat and, in the demo, the stand-in for Segment on this machine; `make run` calls it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--with-parent", action="store_true", help="stop when the calling program ends or is killed"
        )
        parser.add_argument(
            "--without",
            action="append",
            default=[],
            choices=["worker", "beat"],
            help="leave a program out, to run it yourself (under a debugger, for instance)",
        )

    def handle(self, *_args: Any, with_parent: bool, without: list[str], **_options: Any) -> None:
        if with_parent:
            processes.end_with_parent(signal.SIGTERM)
        if not claim(settings.VAR_DIR):
            found = running(settings.VAR_DIR)
            where = f" at {found['url']}" if found else ""
            self.stdout.write(f"Headwater already runs in this checkout{where}. `make stop` stops it.")
            return
        listener = self._listen()
        port: int = listener.getsockname()[1]
        _migrate()
        logins = _demo_logins()
        sandbox = programs.sandbox_port(port) if _wants_sandbox() else None
        wanted = self._programs(listener, sandbox)
        self._run([program for program in wanted if program.name not in without], listener, sandbox, logins)

    def _listen(self) -> socket.socket:
        listener = programs.listen(settings.PORT) if settings.PORT else programs.listen_anywhere()
        if listener is None:
            taken = f"Port {settings.PORT}" if settings.PORT else "Every port from 8000 to 8099"
            raise CommandError(f"{taken} is taken on this machine: choose a free one with PORT=….")
        return listener

    def _programs(self, listener: socket.socket, sandbox: int | None) -> list[Program]:
        logs = settings.VAR_DIR / "log"
        stand_in = [] if sandbox is None else [programs.sandbox(sandbox, logs)]
        return [*stand_in, programs.web(listener, logs), programs.worker(logs), programs.beat(logs)]

    def _run(
        self, wanted: list[Program], listener: socket.socket, sandbox: int | None, logins: list[DemoLogin]
    ) -> None:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        env = programs.environment_of(listener.getsockname()[1], sandbox)
        supervisor = Supervisor(wanted, env, self._say)
        supervisor.stop_on_signals()
        supervisor.start()
        try:
            urls = [url] if sandbox is None else [url, _sandbox_url(sandbox)]
            if self._wait_for(supervisor, urls):
                announce(settings.VAR_DIR, url)
                self._say(_welcome(env["SITE_URL"], sandbox, logins))
                supervisor.watch()
        finally:
            self._say("Stopping …")
            supervisor.stop(SECONDS_TO_STOP - 5)

    def _wait_for(self, supervisor: Supervisor, urls: list[str]) -> bool:
        """Look after the programs until these answer; False when we are told to stop before."""
        while not supervisor.stopping:
            for program in supervisor.programs:
                supervisor.look_after(program)
            if all(_answers(url) for url in urls):
                return True
            time.sleep(0.2)
        return False

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _migrate() -> None:
    try:
        call_command("migrate", verbosity=0, interactive=False)
        fits = schema.fits()
    except (InconsistentMigrationHistory, ProgrammingError):
        fits = False
    if not fits:
        raise CommandError(f"The database was made by an older version of Headwater. {_beginning_anew()}")


def _beginning_anew() -> str:
    if not is_embedded(settings.VAR_DIR, "postgres"):
        return "Empty the database that DATABASE_URL names, or name another, and run again."
    return f"Remove the folder {places_of(settings.VAR_DIR).data}, and its data with it, and run again."


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def _sandbox_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _wants_sandbox() -> bool:
    """The demo talks to the stand-in, unless it was told where Segment is."""
    return settings.DEMO and not (os.environ.get("SEGMENT_US_URL") or os.environ.get("SEGMENT_EU_URL"))


def _demo_logins() -> list[DemoLogin]:
    return create_demo(settings.VAR_DIR) if settings.DEMO else []


def _welcome(url: str, sandbox: int | None, logins: list[DemoLogin]) -> str:
    lines = ["", f"  Headwater runs at        {url}"]
    if sandbox is not None:
        lines += [
            f"  What Segment received    {_sandbox_url(sandbox)}  (a local stand-in; nothing leaves this machine)"
        ]
    if settings.DEMO:
        lines += [f"  The demo's mailbox       {url}/mailbox/", "", "  Log in as"]
        width = max(len(login.email) for login in logins)
        lines += [f"    {login.email:{width}}  {login.password}  {login.role}" for login in logins]
    else:
        lines += ["  First user               .venv/bin/python manage.py createsuperuser"]
    lines += ["", "  Logs are in var/log. Ctrl-C stops everything; so does `make stop` in another terminal.", ""]
    return "\n".join(lines)
