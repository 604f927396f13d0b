"""Who a call is about: the userId of the customer's workspace first, the customer's own id of the person next.

Without either nothing is sent, unless the source opted in to an anonymousId (shaping.py). See docs/identity.md.
"""

import hmac
from dataclasses import fields, replace
from hashlib import sha256
from typing import Any, Final, TypeVar

from django.conf import settings

from integrations.people import known_user_id, normal_email
from integrations.secrets import derive_key
from integrations.signals import Recipient
from integrations.spec.rules.identity import is_placeholder

MAX_ID_CHARACTERS: Final = 500
"""Of any id kept here: an index row of PostgreSQL holds 2,704 bytes."""

Activity = TypeVar("Activity")


def identified(activity: Activity) -> Activity:
    """The activity of a domain signal with its recipient's userId as Segment sent it, or unchanged. One query.

    Takes the dataclass of any signal: the recipient is the field that holds a `Recipient`.
    """
    place = _recipient_field(activity)
    if place is None:
        return activity
    recipient: Recipient = getattr(activity, place)
    tenant_id: int = activity.tenant_id  # type: ignore[attr-defined]  # every activity has it, see integrations.signals
    user_id = known_user_id(tenant_id, recipient, tool_anonymous_id(recipient.tool_id))
    if user_id is None or user_id == recipient.user_id:
        return activity
    return replace(activity, **{place: replace(recipient, user_id=user_id)})  # type: ignore[type-var]  # every activity is a dataclass


def tool_anonymous_id(tool_id: str) -> str:
    """The anonymousId made from the product's own id, empty without one.

    It names the integration: a bare 7 could be another tool's anonymousId, and Segment would make one person of two.
    """
    usable = 0 < len(tool_id) <= MAX_ID_CHARACTERS
    return f"{settings.INTEGRATION_SLUG}-{tool_id}" if usable else ""


def email_anonymous_id(tenant_id: int, email: str) -> str:
    """The anonymousId made from an address, empty without one: 64 hex digits.

    Keyed, because addresses can be guessed and a bare hash of one be looked up; a key of its own for each tenant, so
    that two customers cannot find out whom they have in common.
    """
    address = normal_email(email)
    if not address:
        return ""
    key = hmac.digest(derive_key(b"anonymous id"), str(tenant_id).encode(), "sha256")
    return hmac.new(key, address.encode(errors="surrogatepass"), sha256).hexdigest()


def is_somebody(user_id: Any) -> bool:
    """Whether this can be one person's userId: a text that a database takes, and no word such as null."""
    if not (isinstance(user_id, str) and len(user_id) <= MAX_ID_CHARACTERS and user_id.isprintable()):
        return False
    return bool(user_id.strip()) and not is_placeholder(user_id)


def _recipient_field(activity: Any) -> str | None:
    """The field that holds the Recipient; None for an activity without one."""
    if not hasattr(activity, "__dataclass_fields__"):
        return None
    return next((each.name for each in fields(activity) if isinstance(getattr(activity, each.name), Recipient)), None)
