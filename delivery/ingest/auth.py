"""Who sends: the tenant's ingest key, where Segment's clients put the write key."""

import base64
import binascii
from typing import Any

from django.http import HttpRequest

from delivery.ingest.errors import RequestRefusedError
from integrations.api_keys import find_api_key
from integrations.enums import KeyPurpose
from integrations.models import ApiKey

UNKNOWN = "The key is unknown or revoked: make one on the tenant's page of API keys."
MISSING = "There is no key: send it as the user name of Basic authentication, or as writeKey in the body."


def key_of_header(request: HttpRequest) -> ApiKey | None:
    """The key of Basic authentication, whatever the password; None when there is no such header.

    Raises RequestRefusedError when the key opens nothing.
    """
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise RequestRefusedError(401, "key_unreadable", "The Authorization header is not base64 of “KEY:”.") from None
    return _known(decoded.partition(":")[0])


def key_of_body(body: dict[str, Any]) -> ApiKey:
    """The key that the body has as writeKey. Raises RequestRefusedError."""
    text = body.get("writeKey")
    if not isinstance(text, str) or not text:
        raise RequestRefusedError(401, "key_missing", MISSING)
    return _known(text)


def _known(text: str) -> ApiKey:
    key = find_api_key(text, KeyPurpose.INGEST)
    if key is None:
        raise RequestRefusedError(401, "key_unknown", UNKNOWN)
    return key
