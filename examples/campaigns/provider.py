"""Emails that go through an email provider: what a marked email was, and what its provider tells of it.

The email carries a pixel and links of its own already. With the provider's open and click tracking switched on as
well, opens and clicks would be told twice.
"""

import re
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from examples.campaigns.activities import activity_of
from examples.campaigns.models import Message, Person
from integrations import signals
from integrations.email_providers import describe_emails
from integrations.signals import EmailActivity
from tenants.scoping import scope

NAME: Final = re.compile(r"message-([0-9]{1,18})")
"""As examples.campaigns.content.message_name writes it."""


def connect() -> None:
    """Answer for the emails of campaigns, and keep their reports true."""
    describe_emails(describe)
    signals.email_delivered.connect(_delivered, dispatch_uid="campaigns: delivered")
    signals.email_bounced.connect(_bounced, dispatch_uid="campaigns: bounced")
    signals.unsubscribed.connect(_unsubscribed, dispatch_uid="campaigns: unsubscribed")


def describe(tenant_id: int, reference: str) -> EmailActivity | None:
    found = NAME.fullmatch(reference)
    if found is None:
        return None
    with scope(tenant_id):
        messages = Message.objects.select_related("campaign", "person")
        message = messages.filter(pk=int(found[1])).first()
        return activity_of(message, timezone.now(), of_the_link=True) if message else None


def _delivered(activity: EmailActivity, **_kwargs: Any) -> None:
    _note(activity, "delivered_at")


def _bounced(activity: EmailActivity, **_kwargs: Any) -> None:
    _note(activity, "bounced_at")


def _unsubscribed(activity: EmailActivity, **_kwargs: Any) -> None:
    _note(activity, "unsubscribed_at")
    with scope(activity.tenant_id):
        people = Person.objects.filter(messages__in=_told_of(activity), unsubscribed_at=None)
        people.update(unsubscribed_at=activity.occurred_at)


def _note(activity: EmailActivity, column: str) -> None:
    """The first time that a provider told of it."""
    with scope(activity.tenant_id):
        _told_of(activity).filter(Q(**{column: None})).update(**{column: activity.occurred_at})


def _told_of(activity: EmailActivity) -> QuerySet[Message]:
    """The message that a provider told of. None for what this product saw itself: that is written down already."""
    found = NAME.fullmatch(activity.email_id) if activity.reported_as else None
    return Message.objects.filter(pk=int(found[1])) if found else Message.objects.none()
