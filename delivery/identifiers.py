"""The messageId of a call. It is minted once, at capture, and never changes."""

import hmac
import uuid
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from integrations.secrets import key_ring


def mint() -> uuid.UUID:
    return uuid.uuid4()


def derive(source_id: int, client_id: str) -> uuid.UUID:
    """The messageId of a call that came with an id of its own: always the same for that source, and not guessable.

    Segment deduplicates across all of its customers, so whoever could guess an id could erase another's event.
    """
    message = f"{source_id}:{client_id}".encode(errors="surrogatepass")
    digest = hmac.new(_key(key_ring().oldest), message, sha256).digest()
    return uuid.UUID(bytes=digest[:16], version=5)


@lru_cache(maxsize=2)
def _key(oldest: bytes) -> bytes:
    """From the oldest key of the ring: a client's retry must still be known after a new key was put first."""
    return HKDF(SHA256(), 32, salt=None, info=b"headwater message id").derive(oldest)
