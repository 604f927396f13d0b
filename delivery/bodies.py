"""The body of a request to /v1/batch: a join of strings that were finished at capture, never parsed again."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from integrations.spec.limits import MAX_BATCH_BYTES

HEAD: Final = b'{"batch":['
TAIL: Final = b'],"sentAt":"2026-01-31T09:30:00.000Z"}'

PAYLOAD_BYTES: Final = MAX_BATCH_BYTES - 100
"""What the payloads of a batch and the commas between them may come to; head and tail take 48 bytes of the rest."""


class Body:
    """Knows its length at once, and asks `now` for its `sentAt` when it is iterated, as the request leaves: Segment
    shifts every timestamp by the distance of `sentAt` from its own clock.
    """

    def __init__(self, payloads: Sequence[str], now: Callable[[], datetime]) -> None:
        self._beginning = HEAD + ",".join(payloads).encode()
        self._now = now

    def __len__(self) -> int:
        return len(self._beginning) + len(TAIL)

    def __iter__(self) -> Iterator[bytes]:
        """In one piece: for a small body this costs less than another write to the socket, and 20 µs for 500 KB."""
        sent_at = self._now().astimezone(UTC)
        tail = f'],"sentAt":"{sent_at:%Y-%m-%dT%H:%M:%S}.{sent_at.microsecond // 1000:03}Z"}}'
        yield self._beginning + tail.encode()


def body_bytes(payload_bytes: int, count: int) -> int:
    """The length of the body of `count` payloads of `payload_bytes` together."""
    return len(HEAD) + payload_bytes + max(count - 1, 0) + len(TAIL)
