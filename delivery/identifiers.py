"""The messageId of a call. It is minted once, at capture, and never changes."""

import hmac
import os
import time
from functools import lru_cache
from hashlib import sha256
from typing import Final
from uuid import UUID

_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""Of a UUID: the digit that says so keeps two of its bits."""


def mint(count: int) -> list[str]:
    """So many UUIDs of version 7: 48 bits are the millisecond, 74 are random, too many for anybody to guess.

    They go up, so that they are written one after the other into the index of the log; wholly random ones each changed
    a page of their own.
    """
    millisecond = f"{time.time_ns() // 1_000_000:012x}"
    beginning = f"{millisecond[:8]}-{millisecond[8:]}-7"
    random = os.urandom(10 * count).hex()
    return [
        f"{beginning}{digits[:3]}-{_VARIANT[digits[3]]}{digits[4:7]}-{digits[7:19]}"
        for digits in sorted(random[at : at + 20] for at in range(0, len(random), 20))
    ]


def derive(key: UUID, client_id: str) -> str:
    """The messageId of a call that came with an id of its own: always the same for that source, and not guessable.

    `key` is the source's, random and never changed: a client's retry must give the same id whatever became of the
    encryption keys. Segment deduplicates across all of its customers, so whoever could guess an id could erase
    another's event.
    """
    keyed = _keyed(key).copy()
    keyed.update(client_id.encode(errors="surrogatepass"))
    digits = keyed.hexdigest()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


@lru_cache(maxsize=1_000)
def _keyed(key: UUID) -> hmac.HMAC:
    """To be copied: taking in the key is half of the work, and each call of a client's library comes with an id."""
    return hmac.new(key.bytes, digestmod=sha256)
