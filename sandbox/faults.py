"""Faults on demand: what Segment, or the way to it, does wrong when a test or a drill asks for it."""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sandbox.workspace import REGIONS


class Do(StrEnum):
    STATUS = "status"
    REDIRECT = "redirect"
    UNSUCCESSFUL = "unsuccessful"
    HTML = "html"
    EMPTY = "empty"
    DELAY = "delay"
    SLOW = "slow"
    HANG = "hang"
    RESET_BEFORE = "reset_before"
    RESET_MIDDLE = "reset_middle"
    RESET_AFTER = "reset_after"


EARLY = (Do.RESET_BEFORE, Do.RESET_MIDDLE)
"""Happen before the body is read; a key in the body and `containing` cannot choose them."""

STORING = (Do.DELAY, Do.SLOW, Do.RESET_AFTER)
"""Segment has taken the events in and only the answer goes wrong, unless `stores` says otherwise."""


KINDS: Final[dict[str, type[object] | tuple[type[object], ...]]] = {
    "key": str,
    "containing": str,
    "count": int,
    "seconds": (int, float),
    "status": int,
    "headers": dict,
    "body": str,
    "delay_ms": (int, float),
    "every_ms": (int, float),
    "location": str,
    "stores": bool,
}


@dataclass(slots=True, kw_only=True)
class Fault:
    region: str
    do: Do
    key: str | None = None
    containing: str | None = None
    """Only requests whose body has this text."""
    count: int | None = None
    """So many requests, then it is over. None: until cleared, or until `seconds` are over."""
    seconds: float | None = None
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"success": false}'
    delay_ms: float = 0
    every_ms: float = 1000
    """SLOW: the time between two bytes of the answer."""
    location: str = "/redirected"
    stores: bool | None = None
    used: int = 0
    since: float = field(default_factory=time.monotonic)

    @classmethod
    def from_json(cls, content: Any) -> "Fault":
        """Raises ValueError with a sentence for the caller."""
        if not isinstance(content, dict) or not set(content) <= {"region", "do", *KINDS}:
            raise ValueError(f"A fault is a JSON object with region, do and some of: {', '.join(KINDS)}.")
        if content.get("region") not in REGIONS or content.get("do") not in list(Do):
            raise ValueError(f'A fault needs "region" (us, eu) and "do" ({", ".join(Do)}).')
        if wrong := [name for name, kind in KINDS.items() if name in content and not isinstance(content[name], kind)]:
            raise ValueError(f"A fault has values of another type in: {', '.join(wrong)}.")
        return cls(**{**content, "do": Do(content["do"])})

    @property
    def takes_events_in(self) -> bool:
        return self.do in STORING if self.stores is None else self.stores

    def is_over(self) -> bool:
        spent = self.count is not None and self.used >= self.count
        return spent or (self.seconds is not None and time.monotonic() > self.since + self.seconds)

    def concerns(self, region: str, key: str, body: bytes | None) -> bool:
        if self.region != region or self.key not in (None, key):
            return False
        if (self.do in EARLY) != (body is None):
            return False
        return not self.containing or (body is not None and self.containing.encode() in body)


class Faults:
    def __init__(self) -> None:
        self.active: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self.active.append(fault)

    def clear(self) -> None:
        self.active.clear()

    def take(self, region: str, key: str, body: bytes | None) -> Fault | None:
        """The oldest fault for this request, used up by one. `body` None: the body has not been read yet."""
        self.active = [fault for fault in self.active if not fault.is_over()]
        for fault in self.active:
            if fault.concerns(region, key, body):
                fault.used += 1
                return fault
        return None
