"""Segment's API as its documents describe it (connections/sources/catalog/libraries/server/http-api, November 2025).

Where they disagree, the stricter reading: an event over 32 KB makes its whole batch a 400, a KB has 1,000 bytes.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from sandbox import judge
from sandbox.clock import Clock, parse_time
from sandbox.keys import SHORTEST_KEY
from sandbox.store import Entry, RequestLine, State, Store
from sandbox.workspace import Workspace

MAX_EVENT = 32_000
MAX_BATCH = 500_000
MAX_BATCH_EVENTS = 2_500
BATCH_CALLS = ("batch", "import")


class BadRequest(Exception):  # noqa: N818  # named for the answer that it is
    """Answered with 400."""


@dataclass(frozen=True, slots=True)
class Body:
    """A request body; `content_encoding` as in the header."""

    raw: bytes
    content_type: str
    content_encoding: str

    def decoded(self, limit: int) -> bytes:
        if not self.content_type.lower().startswith("application/json"):
            raise BadRequest("Content-Type must be application/json")
        data = _gunzip(self.raw, limit) if self.content_encoding.lower() == "gzip" else self.raw
        if len(data) > limit:
            raise BadRequest(f"payload over {limit} bytes")
        return data


def _gunzip(data: bytes, limit: int) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        return inflate.decompress(data, limit + 1)
    except zlib.error as error:
        raise BadRequest("body is not gzip") from error


class Ingest:
    def __init__(self, store: Store, workspace: Workspace, clock: Clock, *, count_only: bool) -> None:
        self.store = store
        self.workspace = workspace
        self.clock = clock
        self.count_only = count_only

    def take(self, line: RequestLine, kind: str, body: Body) -> None:
        """Take in one request, `kind` being the last part of its path. Raises BadRequest."""
        data = body.decoded(MAX_BATCH if kind in BATCH_CALLS else MAX_EVENT)
        if self.count_only and line.key:
            self._count(line, kind, data)
            return
        content = _parse(data)
        if not line.key:
            line.key = str(content.get("writeKey") or "")
        if len(line.key) < SHORTEST_KEY:
            raise BadRequest("invalid write key")
        calls = _calls(content, kind)
        line.events = len(calls)
        if self.workspace.is_elsewhere(line.region, line.key):
            self.store.count(line.region, line.key, State.LOST, len(calls))
        else:
            self.store.add(self._entries(line, content, calls))

    def _count(self, line: RequestLine, kind: str, data: bytes) -> None:
        """Without parsing: a quoted key with its colon cannot occur inside a JSON string, where quotes are escaped."""
        if len(line.key) < SHORTEST_KEY:
            raise BadRequest("invalid write key")
        line.events = data.count(b'"messageId":') if kind in BATCH_CALLS else 1
        self.store.count(line.region, line.key, State.ACCEPTED, line.events)

    def _entries(self, line: RequestLine, content: dict[str, Any], calls: list[Any]) -> Iterator[Entry]:
        encoded = [orjson.dumps(call) for call in calls]
        if any(len(text) > MAX_EVENT for text in encoded):
            raise BadRequest(f"event over {MAX_EVENT} bytes")
        now = self.clock.now()
        blanket = self._blanket_reason(line.key, calls)
        if not calls:
            yield Entry(
                line.region,
                line.key,
                State.DISCARDED,
                blanket,
                now,
                "",
                b"{}",
                "",
                line.number,
                self.store.next_number(),
            )
        for call, text in zip(calls, encoded, strict=True):
            yield self._entry(line, call, text, now=now, blanket=blanket, sent_at=content.get("sentAt"))

    def _blanket_reason(self, key: str, calls: list[Any]) -> str:
        if key in self.workspace.disabled:
            return judge.SOURCE_DISABLED
        if len(calls) > MAX_BATCH_EVENTS:
            return judge.TOO_MANY_EVENTS
        return "" if calls else judge.EMPTY_BATCH

    def _entry(self, line: RequestLine, call: Any, text: bytes, *, now: datetime, blanket: str, sent_at: Any) -> Entry:
        reason = blanket or judge.discard_reason(call)
        fields = call if isinstance(call, dict) else {}
        message_id = str(fields.get("messageId") or "")
        state = State.DISCARDED if reason else State.ACCEPTED
        if state is State.ACCEPTED and message_id and not self.store.first_seen(line.region, message_id, now):
            state = State.DUPLICATE
        corrected = _corrected(fields.get("timestamp"), fields.get("sentAt") or sent_at, now)
        number = self.store.next_number()
        return Entry(line.region, line.key, state, reason, now, message_id, text, corrected, line.number, number)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        # orjson takes JSON and nothing more: NaN, Infinity and lone surrogates are errors, as they are at Segment.
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest("malformed JSON") from error
    if not isinstance(content, dict):
        raise BadRequest("body must be a JSON object")
    return content


def _calls(content: dict[str, Any], kind: str) -> list[Any]:
    if kind not in BATCH_CALLS:
        return [{"type": kind} | {name: value for name, value in content.items() if name not in ("writeKey", "type")}]
    calls = content.get("batch", [])
    if not isinstance(calls, list):
        raise BadRequest("batch must be an array")
    shared = {name: content[name] for name in ("context", "integrations") if isinstance(content.get(name), dict)}
    return [_merged(call, shared) for call in calls]


def _merged(call: Any, shared: dict[str, Any]) -> Any:
    """The batch's own context and integrations are merged into each call's."""
    if not isinstance(call, dict):
        return call
    for name, values in shared.items():
        own = call.get(name, {})
        call[name] = {**values, **own} if isinstance(own, dict) else own
    call.pop("writeKey", None)
    return call


def _corrected(timestamp: Any, sent_at: Any, received_at: datetime) -> str:
    happened, sent = parse_time(timestamp), parse_time(sent_at)
    if not happened:
        return received_at.isoformat()
    return (happened + (received_at - sent) if sent else happened).isoformat()
