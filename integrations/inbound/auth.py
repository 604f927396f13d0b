"""Who sends: an API key of the tenant, where Segment puts it, and a signature if the tenant has set a shared secret.

The signature never replaces the key: that of a batch covers its first event alone.
https://segment.com/docs/connections/destinations/catalog/actions-webhook/ ("Shared secret with batching")
"""

import hmac
import json
from typing import Final

from django.http import HttpRequest

from integrations.api_keys import find_api_key
from integrations.enums import KeyPurpose
from integrations.errors import RequestError, SecretError
from integrations.models import ApiKey
from integrations.request_bodies import basic_user
from integrations.secrets import Secret

MISSING: Final = "There is no API key: send it as the user name of Basic authentication."
UNKNOWN: Final = "The API key is unknown or revoked: make a new one under Integrations, API keys."
OF_ANOTHER_KIND: Final = "This API key is for sending events in. Make one for receiving from Segment."
UNSIGNED: Final = "There is no X-Signature, and a shared secret is set for this API key: set the same one in Segment."
WRONGLY_SIGNED: Final = "The X-Signature is not this body's: the shared secret here and in Segment must be the same."
UNREADABLE: Final = "The shared secret of this API key can't be read just now, so the signature could not be checked."


def key_of(request: HttpRequest) -> ApiKey:
    """Raises RequestError. One query for a key that is good."""
    text = basic_user(request)
    if not text:
        raise RequestError(401, MISSING)
    key = find_api_key(text, KeyPurpose.INBOUND)
    if key is None:
        known = find_api_key(text, KeyPurpose.INGEST)
        raise RequestError(403, OF_ANOTHER_KIND) if known else RequestError(401, UNKNOWN)
    return key


def check_signature(key: ApiKey, request: HttpRequest, body: bytes) -> None:
    """Raises RequestError when the key has a shared secret and the body is not signed with it. No query."""
    secret = _shared_secret(key)
    if secret is None:
        return
    signature = request.headers.get("X-Signature", "")
    if not signature:
        raise RequestError(403, UNSIGNED)
    if not any(_signs(signature, secret, part) for part in (body, _first_event(body))):
        raise RequestError(403, WRONGLY_SIGNED)


def _shared_secret(key: ApiKey) -> Secret | None:
    try:
        return key.shared_secret.unseal() if hasattr(key, "shared_secret") else None
    except SecretError:
        raise RequestError(503, UNREADABLE) from None


def _signs(signature: str, secret: Secret, signed: bytes) -> bool:
    expected = hmac.new(secret.reveal().encode(), signed, "sha1").hexdigest()
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode(errors="replace"))


def _first_event(body: bytes) -> bytes:
    """The bytes of the first element of an array, as they stand in the body; the body when it is none."""
    text = body.decode(errors="replace").strip()
    if not text.startswith("["):
        return body
    start = len(text) - len(text[1:].lstrip())
    try:
        _event, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return body
    return text[start:end].encode()
