"""The messageId of a call. It is minted once, at capture, and never changes."""

import hmac
import uuid
from hashlib import sha256

from integrations.secrets import derive_key


def mint() -> uuid.UUID:
    return uuid.uuid4()


def derive(source_id: int, client_id: str) -> uuid.UUID:
    """The messageId of a call that came with an id of its own: always the same for that source, and not guessable.

    Segment deduplicates across all of its customers, so whoever could guess an id could erase another's event.
    """
    message = f"{source_id}:{client_id}".encode(errors="surrogatepass")
    digest = hmac.new(derive_key(b"message id"), message, sha256).digest()
    return uuid.UUID(bytes=digest[:16], version=5)
