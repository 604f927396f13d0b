"""What a test or a drill asks of the stand-in: faults, known keys, another time, an empty store; and what it learns."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson

from sandbox import answers
from sandbox.answers import Answer
from sandbox.clock import Clock
from sandbox.debugger import key_summaries
from sandbox.faults import Fault, Faults
from sandbox.keys import fingerprint, masked
from sandbox.store import RequestLine, Store
from sandbox.workspace import Workspace

DONE = {"done": True}


class Control:
    def __init__(self, store: Store, clock: Clock, faults: Faults, workspace: Workspace) -> None:
        self.store = store
        self.clock = clock
        self.faults = faults
        self.workspace = workspace
        self.routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("POST", "faults"): self.add_fault,
            ("GET", "faults"): self.list_faults,
            ("DELETE", "faults"): self.clear_faults,
            ("PUT", "keys"): self.register_keys,
            ("POST", "clock"): self.advance,
            ("POST", "reset"): self.reset,
            ("GET", "requests"): self.list_requests,
            ("GET", "stats"): self.stats,
        }

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        route = self.routes.get((method, path.removeprefix("/_control/")))
        if not route:
            return answers.refusal(404, f"There is: {', '.join(f'{verb} {name}' for verb, name in self.routes)}")
        try:
            return answers.as_json(route(orjson.loads(body) if body else None))
        except (ValueError, TypeError) as error:
            return answers.refusal(400, str(error))

    def add_fault(self, content: Any) -> Any:
        for fault in [Fault.from_json(item) for item in (content if isinstance(content, list) else [content])]:
            self.faults.add(fault)
        return DONE

    def list_faults(self, _content: Any) -> Any:
        """With what each has been used for; keys masked."""
        shown = [asdict(fault) for fault in self.faults.active]
        return [fault | {"key": masked(fault["key"]) if fault["key"] else None} for fault in shown]

    def clear_faults(self, _content: Any) -> Any:
        self.faults.clear()
        return DONE

    def register_keys(self, content: Any) -> Any:
        for item in content if isinstance(content, list) else [content]:
            fields = item if isinstance(item, dict) else {}
            self.workspace.register(fields.get("region"), fields.get("key"), enabled=fields.get("enabled", True))
        return DONE

    def advance(self, content: Any) -> Any:
        if not isinstance(content, dict) or not isinstance(content.get("seconds"), int | float):
            raise TypeError('Moving the clock takes {"seconds": number}.')
        self.clock.advance(content["seconds"])
        return DONE

    def reset(self, _content: Any) -> Any:
        self.store.reset()
        self.clock.reset()
        self.faults.clear()
        self.workspace.regions.clear()
        self.workspace.disabled.clear()
        return DONE

    def list_requests(self, _content: Any) -> Any:
        return [_shown(line) for line in self.store.requests]

    def stats(self, _content: Any) -> Any:
        """Counts since the last reset; `per_second` is requests by Unix second, of the last hour with any."""
        per_second = {str(second): count for second, count in sorted(self.store.per_second.items())}
        return {"requests": self.store.request_count, "keys": key_summaries(self.store), "per_second": per_second}


def _shown(line: RequestLine) -> dict[str, Any]:
    known = {"key": masked(line.key), "key_id": fingerprint(line.key)} if line.key else {"key": "", "key_id": ""}
    return asdict(line) | known
