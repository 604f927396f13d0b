"""The product's web as `make run` starts it, gunicorn, and a program that posts events to it."""

import os
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import httpx

from config import programs
from config.embedded import processes
from tests.drills.servers import ROOT
from tests.drills.world import Customer, World
from tests.waiting import eventually


class Web:
    def __init__(self, world: World) -> None:
        self.seconds = 0.0
        self._world = world
        self._keys: dict[int, str] = {}
        listener = programs.listen_anywhere(8_500)
        assert listener
        with listener:
            port = listener.getsockname()[1]
            program = programs.web(listener, Path(world.logs))
            with (world.logs / f"web-{port}-{secrets.token_hex(2)}.log").open("ab") as output:
                self._process = processes.spawn(
                    program.command, when_orphaned=signal.SIGKILL, output=output, keep=program.keep, cwd=ROOT,
                    env=world.environment(), own_group=True,
                )  # fmt: skip
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)
        assert eventually(self._answers, seconds=60)

    def ready(self) -> dict[str, Any]:
        """What /readyz says."""
        found: dict[str, Any] = self._http.get("/readyz").json()
        return found

    def capture(self, customer: Customer) -> None:
        """Post one event; `seconds` is how long the web took to answer 200."""
        name = f"Report {secrets.token_hex(4)} Shared"
        began = time.monotonic()
        answer = self._http.post(
            "/v1/track", json={"userId": "u-1", "event": name}, auth=(self.key_of(customer), ""),
        )  # fmt: skip
        self.seconds = time.monotonic() - began
        assert answer.status_code == 200, answer.text
        find = "SELECT id FROM delivery_event WHERE source_id = %s AND name = %s"
        customer.told.add(self._world.one(find, customer.source_id, name))

    def key_of(self, customer: Customer) -> str:
        """An ingest key of the customer's tenant."""
        if customer.tenant_id not in self._keys:
            self._keys[customer.tenant_id] = self._world.hands("issue_key", customer.tenant_id)
        return self._keys[customer.tenant_id]

    def kill(self) -> None:
        """Master and workers at once, as the end of their machine would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def close(self) -> None:
        self._http.close()
        if self._process.poll() is None:
            self.kill()

    def _answers(self) -> bool:
        try:
            return self._http.get("/healthz").status_code == 200
        except httpx.HTTPError:
            return False
