"""The event that tests a connection: it carries a code that the customer finds in Segment and types back here."""

import secrets
from typing import Any, Final

from django.conf import settings

from integrations.spec.calls import Call, track

EVENT: Final = "Integration Tested"
"""A noun and a verb in the past, as the Spec names events; the Spec has none of this meaning."""

PROPERTY: Final = "test_code"

CODE_CHARACTERS: Final = 6
_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No 0, O, 1, I, L and no U, which is read as V."""


def new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(CODE_CHARACTERS))


def trial_call(code: str) -> Call:
    """A track of nobody: the same made-up person for every test, so that a bill counts one user at most.

    It is no id of the product's or of the customer's, and the review leaves the event out.
    """
    slug = settings.INTEGRATION_SLUG
    return track(
        event=EVENT,
        user_id=f"{slug}-connection-test",
        properties={PROPERTY: code},
        context={settings.INTEGRATION_TOOL_ID_FIELD: "connection-test"},
        message_id=message_id(code),
    )


def message_id(code: str) -> str:
    """By which a source's test event with this code is found again in the log."""
    return f"connection-test-{code}"


def is_trial(call: Any) -> bool:
    """Whether the call is such an event of ours, and not a customer's own of that name."""
    return (
        isinstance(call, dict)
        and call.get("event") == EVENT
        and call.get("userId") == f"{settings.INTEGRATION_SLUG}-connection-test"
    )


def cleaned_code(typed: str) -> str:
    """What somebody has typed, in the form of a code: capitals, without the spaces and hyphens between them."""
    return "".join(typed.split()).replace("-", "").upper()
