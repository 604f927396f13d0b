"""Who sends: the tenant's ingest key, where Segment's clients put the write key."""

from typing import Any

from django.http import HttpRequest

from integrations.api_keys import find_api_key
from integrations.enums import KeyPurpose
from integrations.errors import RequestError
from integrations.models import ApiKey
from integrations.request_bodies import basic_user

UNKNOWN = "The key is unknown or revoked: make one under Integrations, API keys."
MISSING = "There is no key: send it as the user name of Basic authentication, or as writeKey in the body."


def key_of_header(request: HttpRequest) -> ApiKey | None:
    """The key of Basic authentication, whatever the password; None when there is no such header.

    Raises RequestError when the key opens nothing.
    """
    text = basic_user(request)
    return None if text is None else _known(text)


def key_of_body(body: dict[str, Any]) -> ApiKey:
    """The key that the body has as writeKey. Raises RequestError."""
    text = body.get("writeKey")
    if not isinstance(text, str) or not text:
        raise RequestError(401, MISSING, "key_missing")
    return _known(text)


def _known(text: str) -> ApiKey:
    key = find_api_key(text, KeyPurpose.INGEST)
    if key is None:
        raise RequestError(401, UNKNOWN, "key_unknown")
    return key
