"""The email events of the Spec. https://segment.com/docs/connections/spec/email/

`userId` is the customer's own id of the recipient and nothing else: without one the call has no identity, and is
refused rather than sent under an email address or an id of this product's (segment.md, what the reviewers check).
"""

from typing import Any

from django.conf import settings

from integrations import signals
from integrations.mappings.registry import maps
from integrations.signals import EmailActivity
from integrations.spec.calls import Call, track

_PROPERTIES = ("email_id", "email_subject", "campaign_id", "campaign_name")
_LINK = ("link_id", "link_url")
_LIST = ("list_id", "list_name")


@maps(signals.email_delivered, event="Email Delivered")
def email_delivered(email: EmailActivity) -> Call:
    return track(event="Email Delivered", context=_about(email), **_facts(email))


@maps(signals.email_bounced, event="Email Bounced")
def email_bounced(email: EmailActivity) -> Call:
    return track(event="Email Bounced", context=_about(email), **_facts(email))


@maps(signals.email_opened, event="Email Opened")
def email_opened(email: EmailActivity) -> Call:
    return track(event="Email Opened", context=_about_reader(email), **_facts(email))


@maps(signals.email_link_clicked, event="Email Link Clicked")
def email_link_clicked(email: EmailActivity) -> Call:
    return track(event="Email Link Clicked", context=_about_reader(email), **_facts(email, *_LINK))


@maps(signals.email_marked_as_spam, event="Email Marked as Spam")
def email_marked_as_spam(email: EmailActivity) -> Call:
    return track(event="Email Marked as Spam", context=_about_reader(email), **_facts(email))


@maps(signals.unsubscribed, event="Unsubscribed")
def unsubscribed(email: EmailActivity) -> Call:
    return track(event="Unsubscribed", context=_about_reader(email), **_facts(email, *_LIST))


def _facts(email: EmailActivity, *more: str) -> dict[str, Any]:
    """Whom it happened to, when, and the properties that are known. The Spec has all of them as strings."""
    known = {name: getattr(email, name) for name in (*_PROPERTIES, *more)}
    return {
        "user_id": email.recipient.user_id or None,
        "timestamp": email.occurred_at,
        "message_id": email.reported_as,
        "properties": {name: str(value) for name, value in known.items() if value is not None},
    }


def _about(email: EmailActivity) -> dict[str, Any]:
    """The recipient: the address is a trait, and the product's own id a field of its own."""
    return {
        settings.INTEGRATION_TOOL_ID_FIELD: email.recipient.tool_id,
        "traits": {"email": email.recipient.email},
    }


def _about_reader(email: EmailActivity) -> dict[str, Any]:
    """The recipient, and the computer they read the email on."""
    reader = {"ip": email.ip, "userAgent": email.user_agent}
    return {**_about(email), **{name: value for name, value in reader.items() if value}}
