"""The body of a request to /v1/batch: a join of strings that were finished at capture, never parsed again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from integrations.spec.limits import MAX_BATCH_BYTES

HEAD: Final = b'{"batch":['
TAIL: Final = b'],"sentAt":"2026-01-31T09:30:00.000Z"}'

PAYLOAD_BYTES: Final = MAX_BATCH_BYTES - 100
"""What the payloads of a batch and the commas between them may come to; head and tail take 48 bytes of the rest."""


def body(payloads: Sequence[str], sent_at: datetime) -> bytes:
    """`sent_at` is the time of this request: Segment shifts every timestamp by its distance from its own clock."""
    tail = f'],"sentAt":"{sent_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{sent_at.microsecond // 1000:03}Z"}}'
    return HEAD + ",".join(payloads).encode() + tail.encode()


def body_bytes(payload_bytes: int, count: int) -> int:
    """The length of the body of `count` payloads of `payload_bytes` together."""
    return len(HEAD) + payload_bytes + max(count - 1, 0) + len(TAIL)
