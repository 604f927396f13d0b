"""Write keys: where a request carries one, and how one is shown without being told."""

import base64
import binascii
import hashlib
import secrets

SHORTEST_KEY = 8
"""Segment answers 400 to "very short" keys without saying how short; real ones have 32 characters."""

_SALT = secrets.token_bytes(16)


def key_of_header(authorization: str) -> str | None:
    """The write key of a Basic header (user name, empty password; the colon may be missing), else None."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text.partition(":")[0]


def fingerprint(key: str) -> str:
    """Tells keys apart in addresses and logs. Salted anew by each process, so it cannot be used to guess a key."""
    return hashlib.blake2b(key.encode(), key=_SALT, digest_size=5).hexdigest()


def masked(key: str) -> str:
    return f"…{key[-4:]}" if len(key) >= SHORTEST_KEY else "…"
