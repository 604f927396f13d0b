"""From the body of a request to the calls that are captured: what Segment does to a batch, done here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from integrations.errors import RequestError
from integrations.spec.json_types import moment
from integrations.spec.limits import MAX_BATCH_EVENTS

SINGLE: Final = ("identify", "track", "page", "screen", "group", "alias")
BATCHES: Final = ("batch", "import")
"""`import` is the older name, which the libraries for Java, Ruby and .NET still use."""

OF_THE_REQUEST: Final = frozenset({"writeKey", "sentAt", "_metadata"})
"""Fields about the request or the client's library, not about what happened. The first is a secret."""

MERGED: Final = ("context", "integrations")
"""Fields of a batch that hold for each of its calls."""

CLOCKS_AGREE: Final = timedelta(seconds=5)
"""A smaller difference between `sentAt` and our clock is the way over the network, and no reason to touch a time."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What holds for each call of a request. `shift` is added to their times: how far the client's clock is behind."""

    received_at: datetime
    shift: timedelta
    shared: Mapping[str, dict[str, Any]]


def calls_of(method: str, body: dict[str, Any], received_at: datetime) -> list[Any]:
    """The calls of a request, as they are to be captured. Raises RequestError.

    What is no object is given back as it came: capture refuses it, and its neighbours go on.
    """
    shift = _shift(body.get("sentAt"), received_at)
    if method in SINGLE:
        return [_call({**body, "type": method}, _Request(received_at, shift, {}))]
    request = _Request(received_at, shift, _shared(body))
    return [_call(item, request) if isinstance(item, dict) else item for item in _items(body)]


def _items(body: dict[str, Any]) -> list[Any]:
    items = body.get("batch")
    if not isinstance(items, list):
        raise RequestError(400, "The body has no array “batch” with the calls.", "batch_missing")
    if len(items) > MAX_BATCH_EVENTS:
        message = f"The batch has {len(items):,} calls: send {MAX_BATCH_EVENTS:,} at most."
        raise RequestError(413, message, "too_many")
    return items


def _shared(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    shared = {name: body[name] for name in MERGED if body.get(name)}
    for name, value in shared.items():
        if not isinstance(value, dict):
            raise RequestError(400, f"“{name}” of the batch is not an object.", f"{name}_not_object")
    return shared


def _call(item: dict[str, Any], request: _Request) -> dict[str, Any]:
    call = {name: value for name, value in item.items() if name not in OF_THE_REQUEST}
    for name, value in request.shared.items():
        own = call.get(name) or {}
        # What is no object is left for the linter to name.
        if isinstance(own, dict):
            call[name] = {**value, **own}
    if call.get("timestamp") is None:
        call["timestamp"] = call.get("originalTimestamp") or _written(request.received_at)
    shift = _shift(item["sentAt"], request.received_at) if "sentAt" in item else request.shift
    if shift:
        call["timestamp"] = _shifted(call["timestamp"], shift)
    return call


def _shift(sent_at: Any, received_at: datetime) -> timedelta:
    """Segment's correction of a wrong clock: timestamp = received - (sentAt - timestamp).

    It has to be done here: Segment will see the sentAt of our own request, made by a clock that is right.
    """
    sent = _moment(sent_at)
    shift = received_at - sent if sent else timedelta()
    return shift if abs(shift) > CLOCKS_AGREE else timedelta()


def _shifted(timestamp: Any, shift: timedelta) -> Any:
    happened = _moment(timestamp)
    try:
        return _written(happened + shift) if happened else timestamp
    except OverflowError:
        return timestamp


def _moment(value: Any) -> datetime | None:
    """In UTC; None for what is no time: the linter judges the timestamps, and such a sentAt says nothing."""
    found = moment(value) if isinstance(value, str) else None
    try:
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC) if found else None
    except OverflowError:
        return None


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
