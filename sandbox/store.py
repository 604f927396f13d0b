"""What arrived. Counts are exact for as long as the process runs; events and requests are the newest ones only."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

KEPT_EVENTS = 20_000
KEPT_EVENT_BYTES = 64_000_000
KEPT_REQUESTS = 20_000
KEPT_MESSAGE_IDS = 1_000_000
"""About 150 MB; past this the oldest ids are forgotten before their 24 hours are over."""

DEDUPLICATION = timedelta(hours=24)


class State(StrEnum):
    ACCEPTED = "accepted"
    DISCARDED = "discarded"
    DUPLICATE = "duplicate"
    LOST = "lost"
    """Sent with a key of the other region: answered 200, stored nowhere."""


@dataclass(frozen=True, slots=True)
class Entry:
    region: str
    key: str
    state: State
    reason: str
    received_at: datetime
    message_id: str
    call: bytes
    """The call as it arrived, as JSON, without a write key."""
    corrected: str
    """`timestamp` shifted by what the sender's clock is off: receivedAt - (sentAt - timestamp)."""
    request: int
    number: int = 0


@dataclass(slots=True)
class RequestLine:
    number: int
    received_at: datetime
    method: str
    path: str
    region: str
    key: str
    bytes: int = 0
    events: int = 0
    status: int | None = None
    """None while unanswered, and for ever when the connection was reset."""
    fault: str = ""


@dataclass(slots=True)
class KeyCounts:
    states: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    most_in_a_second: int = 0
    recent: deque[float] = field(default_factory=deque)

    def arrived(self, now: float) -> None:
        """Count a request. `now` is monotonic; any window of one second counts, not only whole ones."""
        self.requests += 1
        self.recent.append(now)
        while self.recent[0] <= now - 1:
            self.recent.popleft()
        self.most_in_a_second = max(self.most_in_a_second, len(self.recent))


class Store:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.entries: deque[Entry] = deque()
        self.entry_bytes = 0
        self.requests: deque[RequestLine] = deque(maxlen=KEPT_REQUESTS)
        self.request_count = 0
        self.entry_count = 0
        self.per_second: Counter[int] = Counter()
        self.counts: dict[tuple[str, str], KeyCounts] = {}
        self.seen: dict[str, OrderedDict[str, datetime]] = {"us": OrderedDict(), "eu": OrderedDict()}

    def begin_request(self, line: RequestLine, monotonic: float) -> None:
        self.request_count += 1
        line.number = self.request_count
        self.requests.append(line)
        second = int(line.received_at.timestamp())
        self.per_second[second] += 1
        if len(self.per_second) > 3_600:  # noqa: PLR2004  # an hour of seconds
            del self.per_second[min(self.per_second)]
        if line.region and line.key:
            self.of(line.region, line.key).arrived(monotonic)

    def of(self, region: str, key: str) -> KeyCounts:
        return self.counts.setdefault((region, key), KeyCounts())

    def count(self, region: str, key: str, state: State, events: int) -> None:
        self.of(region, key).states[state] += events

    def first_seen(self, region: str, message_id: str, now: datetime) -> bool:
        """False for a messageId that this region has had within 24 hours, under whatever write key."""
        seen = self.seen[region]
        while seen and (len(seen) > KEPT_MESSAGE_IDS or next(iter(seen.values())) <= now - DEDUPLICATION):
            seen.popitem(last=False)
        if message_id in seen:
            return False
        seen[message_id] = now
        return True

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.entries.append(entry)
            self.entry_bytes += len(entry.call)
            self.count(entry.region, entry.key, entry.state, 1)
        while len(self.entries) > KEPT_EVENTS or self.entry_bytes > KEPT_EVENT_BYTES:
            self.entry_bytes -= len(self.entries.popleft().call)

    def next_number(self) -> int:
        self.entry_count += 1
        return self.entry_count

    def of_key(self, region: str, key: str) -> list[Entry]:
        return [entry for entry in self.entries if (entry.region, entry.key) == (region, key)]
