from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(content: Any, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(content), {"Content-Type": "application/json"})


def refusal(status: int, message: str) -> Answer:
    return as_json({"success": False, "message": message}, status)


def as_text(text: str, kind: str) -> Answer:
    """A page or style sheet. Nothing from elsewhere is loaded, framed, or run."""
    policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    headers = {
        "Content-Type": f"{kind}; charset=utf-8",
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Answer(200, text.encode(), headers)


SUCCESS = as_json({"success": True})
HTML = Answer(200, b"<html><body>Service unavailable</body></html>", {"Content-Type": "text/html"})
EMPTY = Answer(200, b"")
