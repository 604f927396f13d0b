"""Secrets at rest: AES-256-GCM under a ring of keys, bound to the row that they are stored in.

A ciphertext is

    version (1 byte, 0x01) | length of the key id (1 byte) | key id (ASCII) | nonce (12 bytes) | ciphertext and tag

and authenticates, besides itself, the version, the table, the row, the field and the key id: copied to another row or
field it does not decrypt. docs/secrets.md tells how to make, rotate and lose keys.
"""

import hmac
import logging
import os
from functools import lru_cache
from hashlib import sha256
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from integrations.enums import Region
from integrations.errors import SecretError
from integrations.keyring import KEY_BYTES, KeyRing, parse_key_ring

VERSION: Final = b"\x01"
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
FINGERPRINT_DIGITS: Final = 16

security_log = logging.getLogger("headwater.security")


class Secret:
    """A string that shows itself only when asked by name.

    Its repr is a mask, and it refuses to be pickled or copied, so it gets into no log, task argument, cache or JSON.
    """

    __hash__ = None  # type: ignore[assignment]  # a set or dict of secrets would compare hashes, not in constant time
    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled or copied: pass the id of its row and read it where it is used.")


def encrypt(plaintext: str, *, table: str, row: str, field: str) -> bytes:
    """The ciphertext of `plaintext` for this one place, under the newest key."""
    ring = key_ring()
    key_id = ring.newest_id
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(ring.keys[key_id]).encrypt(nonce, plaintext.encode(), _bound_to(table, row, field, key_id))
    return VERSION + bytes([len(key_id)]) + key_id.encode() + nonce + sealed


def decrypt(ciphertext: bytes, *, table: str, row: str, field: str) -> str:
    """The plaintext of a ciphertext made for this place.

    Raises SecretError, with nothing secret in it: the key is not in the ring, or the ciphertext is damaged, altered or
    another row's. The last three cannot be told apart and are logged as a security event.
    """
    place = f"{table}.{field} of row {row}"
    key_id = key_id_of(ciphertext)
    key = key_ring().keys.get(key_id)
    if key_id and key is None:
        raise SecretError(
            f"{place} is encrypted with the key {key_id!r}, which is not in ENCRYPTION_KEYS: put that key back, "
            "or replace the secret by pasting it again."
        )
    opened = _opened(key, ciphertext[2 + len(key_id) :], _bound_to(table, row, field, key_id))
    if opened is None:
        security_log.error("A ciphertext failed authentication: %s. It was altered or copied there.", place)
        raise SecretError(
            f"{place} does not decrypt: it was damaged, altered or copied from another place. "
            "Replace the secret by pasting it again."
        )
    return opened


def key_id_of(ciphertext: bytes) -> str:
    """The id of the key that made it; empty when this is no ciphertext of ours."""
    if ciphertext[:1] != VERSION or len(ciphertext) < 2:  # noqa: PLR2004  # version and length, see the format above
        return ""
    length = ciphertext[1]
    key_id = ciphertext[2 : 2 + length]
    return key_id.decode() if len(key_id) == length and key_id.isascii() and key_id.decode().isprintable() else ""


def fingerprint(write_key: Secret) -> str:
    """Tells two write keys apart without telling either; the same for all sources of an installation."""
    return _hmac(b"fingerprint", write_key.reveal())[:FINGERPRINT_DIGITS]


def rate_key(write_key: Secret, region: Region) -> str:
    """Names a write key in a region, for everything that Segment counts per key: 64 hex digits."""
    return _hmac(b"rate", f"{region.value}:{write_key.reveal()}")


def key_ring() -> KeyRing:
    """The ring of the settings."""
    return _parsed(tuple(settings.ENCRYPTION_KEYS))


_parsed = lru_cache(maxsize=1)(parse_key_ring)


def _opened(key: bytes | None, sealed: bytes, bound_to: bytes) -> str | None:
    """The plaintext of nonce, ciphertext and tag, or None when they do not authenticate."""
    if key is None or len(sealed) < NONCE_BYTES + TAG_BYTES:
        return None
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to).decode()
    except InvalidTag:
        return None


def _bound_to(table: str, row: str, field: str, key_id: str) -> bytes:
    """The associated data. Each part carries its length: ("ab", "c") and ("a", "bc") must not authenticate alike."""
    parts = [part.encode() for part in (table, row, field, key_id)]
    return VERSION + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def derive_key(purpose: bytes) -> bytes:
    """A key of its own for each purpose, so that no encryption key is ever used as a MAC key.

    From the oldest key of the ring: what was made with it is still known after a new key was put first.
    """
    return _derived(key_ring().oldest, purpose)


def _hmac(purpose: bytes, message: str) -> str:
    return hmac.new(derive_key(purpose), message.encode(), sha256).hexdigest()


@lru_cache(maxsize=8)
def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"headwater " + purpose).derive(key)
