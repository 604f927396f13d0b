"""The whole product as `make run` starts it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page

from tests.databases import new_database
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 120


@dataclass
class Product:
    """A running product: its address, the stand-in's, the demo's log-ins by email address."""

    address: str
    segment: str
    logins: dict[str, str]
    folder: Path
    environment: dict[str, str]

    def entries(self, region: str, write_key: str) -> list[dict[str, Any]]:
        """What the stand-in's debugger shows for this key in this region, oldest first."""
        entries: list[dict[str, Any]] = httpx.get(f"{self.segment}/{region}/debugger.json", auth=(write_key, "")).json()
        return entries

    def calls(self, region: str, write_key: str) -> list[dict[str, Any]]:
        return [entry["call"] for entry in self.entries(region, write_key) if entry["state"] == "accepted"]

    def calls_when(self, count: int, region: str, write_key: str) -> list[dict[str, Any]]:
        """The accepted calls once there are so many, and after a moment in which more would show."""
        eventually(lambda: self.calls(region, write_key), lambda calls: len(calls) >= count)
        time.sleep(1.5)
        return self.calls(region, write_key)

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Run a management command beside the running product, and give its output back."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command, input=stdin, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        return done.stdout

    def log_in(self, page: Page, email: str) -> None:
        page.goto(f"{self.address}/accounts/login/")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(self.logins[email])
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(lambda url: "/login/" not in url)


@contextmanager
def running_product(folder: Path, *options: str) -> Iterator[Product]:
    """`manage.py run` on a database and in a folder of its own, stopped at the end."""
    environment = {
        **os.environ,
        "DATABASE_URL": new_database(folder.name),
        "REDIS_URL": unused_redis(),
        "VAR_DIR": str(folder),
        "DEMO": "1",
        "EMAIL_URL": "",
        "PORT": "",
    }
    # The test run's own; the product tells its programs the address that it has chosen.
    del environment["SITE_URL"]
    log = folder / "run.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run", "--with-parent", *options],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(log.read_text, lambda text: "Ctrl-C" in text or process.poll() is not None, SECONDS_TO_START)
        printed = log.read_text()
        found = re.search(r"runs at +(\S+)\n +What Segment received +(\S+)", printed)
        assert found, printed
        logins = dict(re.findall(r"^ +(\S+@demo\.test) +(\S+)", printed, re.MULTILINE))
        yield Product(found[1], found[2], logins, folder, environment)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


def unused_redis() -> str:
    """A database of Redis of its own: two products that shared one would take each other's hints."""
    return f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{next(_redis_databases)}"


_redis_databases = count(1)
