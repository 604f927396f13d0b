"""Events of email providers, as django-anymail normalizes them, become the domain signals of email.

An email carries one mark: whose it is and which, signed. Nothing else in an event is believed about that, because one
provider account may serve many tenants. What the mark stands for is known to the product, which is asked with
`describe_emails`; so no provider gets to see more of a person than the address. docs/email-providers.md tells more.
"""

import base64
import hmac
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, Final

from anymail.signals import AnymailTrackingEvent, EventType
from django.core.mail import EmailMessage
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from integrations import signals
from integrations.secrets import derive_key
from integrations.signals import EmailActivity

MARK: Final = "headwater"
"""The name of the mark in the metadata."""

REFERENCE: Final = re.compile(r"[A-Za-z0-9_-]{1,30}")
"""A product's name of an email. With the rest of the mark that is under 80, the most that Postmark takes."""

VALUE: Final = re.compile(r"([0-9]{1,18})\.([A-Za-z0-9_-]{1,30})\.([A-Za-z0-9_-]{22})")
"""The mark: tenant, reference and signature."""

SIGNALS: Final[Mapping[str, Signal]] = {
    EventType.DELIVERED: signals.email_delivered,
    EventType.BOUNCED: signals.email_bounced,
    EventType.OPENED: signals.email_opened,
    EventType.CLICKED: signals.email_link_clicked,
    EventType.COMPLAINED: signals.email_marked_as_spam,
    EventType.UNSUBSCRIBED: signals.unsubscribed,
}

LEFT_OUT: Final[Mapping[str, str]] = {
    EventType.QUEUED: "the provider has it, the recipient does not",
    EventType.SENT: "it is on its way; delivered or bounced follows",
    EventType.REJECTED: "the provider did not send it, so no mail server refused it",
    EventType.FAILED: "the provider did not send it, so no mail server refused it",
    EventType.DEFERRED: "delivered or bounced follows",
    EventType.AUTORESPONDED: "a machine answered, the person did nothing",
    EventType.SUBSCRIBED: "the Spec has no event for it",
    EventType.INBOUND: "it is another email",
    EventType.INBOUND_FAILED: "it is another email",
    EventType.UNKNOWN: "nobody knows what happened",
}
"""The events of django-anymail that become nothing, and why. Together with SIGNALS they are all that it has."""

Describe = Callable[[int, str], EmailActivity | None]
"""(tenant id, the product's name of an email) -> who got which email, or None when the product has it no more."""

log = logging.getLogger(__name__)

_describers: list[Describe] = []


def describe_emails(describe: Describe) -> None:
    """Have the product asked with `describe` what an email is. The first that knows it is believed."""
    if describe not in _describers:
        _describers.append(describe)


def mark(email: EmailMessage, tenant_id: int, reference: str) -> None:
    """Make an email known again when its provider tells of it.

    `reference` is the product's name of the email: up to 30 ASCII letters, digits, hyphens and underscores. Raises
    ValueError for another. Harmless with a backend that is no provider's.
    """
    if not REFERENCE.fullmatch(reference):
        raise ValueError(f"{reference!r} cannot be an email's reference: see integrations.email_providers.mark.")
    value = f"{tenant_id}.{reference}.{_signature(tenant_id, reference)}"
    if _carries_tags_only(email):
        email.tags = [*getattr(email, "tags", []), f"{MARK}.{value}"]  # type: ignore[attr-defined]  # anymail reads it from there
    else:
        email.metadata = {**getattr(email, "metadata", {}), MARK: value}  # type: ignore[attr-defined]  # anymail reads it from there


def receive(*, event: AnymailTrackingEvent, esp_name: str, **_kwargs: Any) -> None:
    """Turn one event of a provider into a domain signal, in a transaction of its own.

    An error goes on to the webhook's view, which answers 500: the provider tries again later.
    """
    signal = SIGNALS.get(event.event_type)
    if signal is None:
        return
    found = _marked(event)
    if found is None:
        log.warning("An event of %s was left alone: it has no mark of ours, or a forged one.", esp_name)
        return
    tenant_id, reference = found
    with transaction.atomic():
        activity = _described(tenant_id, reference)
        if activity is None:
            log.info("%s told of an email that is gone.", esp_name, extra={"tenant_id": tenant_id})
            return
        signal.send(sender=AnymailTrackingEvent, activity=_told(activity, event, esp_name, reference))


def _described(tenant_id: int, reference: str) -> EmailActivity | None:
    described = (describe(tenant_id, reference) for describe in _describers)
    return next((activity for activity in described if activity is not None and activity.tenant_id == tenant_id), None)


def _told(activity: EmailActivity, event: AnymailTrackingEvent, esp_name: str, reference: str) -> EmailActivity:
    """The email as the product knows it, with what the provider knows of the event."""
    by_reader = event.event_type not in {EventType.DELIVERED, EventType.BOUNCED}
    clicked = event.event_type == EventType.CLICKED
    return replace(
        activity,
        occurred_at=event.timestamp or timezone.now(),
        ip=_ip(event.esp_event) if by_reader else None,
        user_agent=event.user_agent or None,
        link_url=(event.click_url or activity.link_url) if clicked else None,
        link_id=activity.link_id if clicked and event.click_url in {None, activity.link_url} else None,
        reported_as=_name_of(event, esp_name, reference),
    )


def _name_of(event: AnymailTrackingEvent, esp_name: str, reference: str) -> str:
    """The same each time that the provider tells of it. Not every provider gives its events ids."""
    parts = (esp_name, reference, event.event_type, event.event_id or f"{event.timestamp} {event.click_url}")
    return sha256("\n".join(parts).encode()).hexdigest()


def _marked(event: AnymailTrackingEvent) -> tuple[int, str] | None:
    """Tenant and reference, when the signature is right."""
    tag = next((tag for tag in event.tags or () if str(tag).startswith(f"{MARK}.")), "")
    value = (event.metadata or {}).get(MARK) or tag.removeprefix(f"{MARK}.")
    parts = VALUE.fullmatch(str(value))
    if parts is None:
        return None
    tenant_id, reference = int(parts[1]), parts[2]
    return (tenant_id, reference) if hmac.compare_digest(_signature(tenant_id, reference), parts[3]) else None


def _signature(tenant_id: int, reference: str) -> str:
    digest = hmac.new(derive_key(b"email mark"), f"{tenant_id}.{reference}".encode(), sha256).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def _carries_tags_only(email: EmailMessage) -> bool:
    """MailerSend and Postal report tags, and have no metadata."""
    return getattr(email.connection, "esp_name", "") in {"MailerSend", "Postal"}


READER_IPS: Final = ("ip", "IP", "ip_address", "ipAddress")


def _ip(raw: Any, depth: int = 4) -> str | None:
    """The reader's address, which django-anymail does not normalize, from wherever the provider's event has it."""
    if not isinstance(raw, Mapping) or not depth:
        return None
    for name in READER_IPS:
        if address := _address(raw.get(name)):
            return address
    return next((address for value in raw.values() if (address := _ip(value, depth - 1))), None)


def _address(value: Any) -> str | None:
    try:
        return str(ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None
