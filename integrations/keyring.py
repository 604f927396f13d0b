"""The encryption keys of the environment. Imports nothing of Django: the settings check themselves with it."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

KEY_BYTES = 32
"""AES-256."""

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_HOW = "each must be KEYID:KEY, where KEY is 32 random bytes in URL-safe base64 (docs/secrets.md has a command)"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Encryption keys by id, newest first. The keys stay out of the repr, and so out of every traceback."""

    keys: dict[str, bytes] = field(repr=False)

    @property
    def newest_id(self) -> str:
        """The key that encrypts."""
        return next(iter(self.keys))

    @property
    def oldest(self) -> bytes:
        """The key that fingerprints derive from: it stays when a new key is put in front."""
        return next(reversed(self.keys.values()))


def parse_key_ring(entries: Sequence[str]) -> KeyRing:
    """The ring of ENCRYPTION_KEYS.

    Raises ValueError with one sentence for the operator. It names an entry by its position only: in a malformed entry
    any part may be the key.
    """
    keys: dict[str, bytes] = {}
    for position, entry in enumerate(entries, start=1):
        key_id, _, encoded = entry.strip().partition(":")
        key = _decoded(encoded)
        if not _KEY_ID.fullmatch(key_id) or len(key) != KEY_BYTES:
            raise ValueError(f"ENCRYPTION_KEYS: entry {position} is malformed; {_HOW}.")
        if key_id in keys:
            raise ValueError(f"ENCRYPTION_KEYS: entry {position} repeats the key id of an earlier one; ids are unique.")
        keys[key_id] = key
    if not keys:
        raise ValueError(f"ENCRYPTION_KEYS is empty; it needs at least one key: {_HOW}.")
    return KeyRing(keys)


def _decoded(encoded: str) -> bytes:
    """The bytes of URL-safe base64 with or without its padding; nothing when it is not that."""
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
