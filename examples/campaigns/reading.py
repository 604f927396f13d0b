"""What readers do with an email: open it, follow its link, unsubscribe. Each counts once.

The row is locked before it is looked at: of two requests at the same moment the second sees what the first has
written. (`filter(opened_at=None).update()` would not do: the scope joins the campaign, the join turns into a subquery,
and PostgreSQL does not look into that again after the wait for the first.)
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone

from examples.campaigns.activities import Reader, activity_of
from examples.campaigns.errors import BrokenLinkError
from examples.campaigns.links import message_id_of
from examples.campaigns.models import Message, Person
from integrations import signals
from tenants.scoping import every_tenant, scope


@contextmanager
def message_of(token: str) -> Iterator[Message]:
    """The message a signed token names, inside the scope of its tenant. Raises `BrokenLinkError`.

    Readers have no tenant in their address; this is the one place that looks over all tenants for them.
    """
    message_id = message_id_of(token)
    with every_tenant():
        message = Message.objects.select_related("campaign__tenant", "person").filter(pk=message_id).first()
    if message is None:
        raise BrokenLinkError("The message of this link is gone.")
    with scope(message.campaign.tenant_id):
        yield message


@transaction.atomic
def record_open(message: Message, reader: Reader) -> bool:
    """Whether this was the first open."""
    locked = _lock(message)
    if locked.opened_at is not None:
        return False
    locked.opened_at = timezone.now()
    locked.save(update_fields=["opened_at"])
    signals.email_opened.send(sender=Message, activity=activity_of(locked, locked.opened_at, reader))
    return True


@transaction.atomic
def record_click(message: Message, reader: Reader) -> bool:
    """Whether this was the first click. A reader who blocks images clicks without an open: none is invented."""
    locked = _lock(message)
    if locked.clicked_at is not None:
        return False
    locked.clicked_at = timezone.now()
    locked.save(update_fields=["clicked_at"])
    activity = activity_of(locked, locked.clicked_at, reader, of_the_link=True)
    signals.email_link_clicked.send(sender=Message, activity=activity)
    return True


@transaction.atomic
def record_unsubscribe(message: Message, reader: Reader) -> bool:
    """Whether the person was still subscribed. Another campaign's email may have unsubscribed them before."""
    locked = _lock(message)
    person = Person.objects.select_for_update().get(pk=locked.person_id)
    if person.unsubscribed_at is not None:
        return False
    now = timezone.now()
    person.unsubscribed_at = locked.unsubscribed_at = now
    person.save(update_fields=["unsubscribed_at"])
    locked.save(update_fields=["unsubscribed_at"])
    signals.unsubscribed.send(sender=Message, activity=activity_of(locked, now, reader))
    return True


def _lock(message: Message) -> Message:
    messages = Message.objects.select_for_update(of=("self",)).select_related("campaign", "person")
    locked = messages.filter(pk=message.pk).first()
    if locked is None:
        raise BrokenLinkError("The message of this link is gone.")
    return locked
