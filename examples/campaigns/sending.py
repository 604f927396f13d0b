"""A campaign is sent in two steps: its recipients are fixed, then each message goes out in a transaction of its own.

So a crash or a dead mail server leaves a campaign that `send_rest` can finish, and nobody is written to twice: the
campaign's row is locked while its recipients are fixed, and each message's row while it goes out.
"""

import logging
import smtplib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from anymail.exceptions import AnymailRecipientsRefused
from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from examples.campaigns.activities import activity_of
from examples.campaigns.content import compose
from examples.campaigns.errors import AlreadySentError, CampaignError, MailServerError
from examples.campaigns.models import Campaign, Message, Person
from integrations import signals

UNSENT = Q(handed_over_at=None, delivered_at=None, bounced_at=None, person__unsubscribed_at=None)

logger = logging.getLogger(__name__)


@dataclass
class Sent:
    """How many messages of one run were taken and refused, and how many the server asked to bring again later.

    `handed_over`: to an email provider, which tells later what became of them.
    """

    delivered: int = 0
    handed_over: int = 0
    bounced: int = 0
    deferred: int = 0

    def sentence(self) -> str:
        parts = [f"{self.delivered + self.handed_over} sent"]
        if self.bounced:
            parts.append(f"{self.bounced} bounced")
        if self.deferred:
            parts.append(f"{self.deferred} to be tried again later, as the mail server asks")
        return ", ".join(parts) + "."


@transaction.atomic
def fix_recipients(campaign: Campaign, people: Iterable[Person]) -> None:
    """Give each of `people` a message of the campaign. From here on the campaign is sent, and can't be a second time.

    Raises `AlreadySentError`, and `CampaignError` when there is nobody to write to; then nothing has changed.
    """
    locked = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if locked.sent_at is not None:
        raise AlreadySentError("This campaign has been sent already. Nobody was written to a second time.")
    messages = [Message(campaign=locked, person=person) for person in people if person.unsubscribed_at is None]
    if not messages:
        raise CampaignError("Nobody was written to: choose at least one subscribed person.")
    Message.objects.bulk_create(messages)
    locked.sent_at = timezone.now()
    locked.save(update_fields=["sent_at"])


def send_rest(campaign: Campaign) -> Sent:
    """Send what has not been sent yet, over one connection.

    Raises `MailServerError` when the server is out of reach or breaks off: what it took until then stays sent.
    """
    sent = Sent()
    waiting = list(unsent(campaign).values_list("pk", flat=True))
    if not waiting:
        return sent
    with _mail_server() as connection:
        for message_id in waiting:
            _send_one(message_id, connection, sent)
    return sent


def unsent(campaign: Campaign) -> QuerySet[Message]:
    """The messages still to be sent. Somebody who has unsubscribed meanwhile is not written to."""
    return Message.objects.filter(UNSENT, campaign=campaign).order_by("pk")


@transaction.atomic
def _send_one(message_id: int, connection: BaseEmailBackend, sent: Sent) -> None:
    # A second run at the same time passes over what this one has in hand, and finds it done afterwards.
    locked = Message.objects.select_for_update(of=("self",), skip_locked=True)
    message = locked.select_related("campaign__tenant", "person").filter(UNSENT, pk=message_id).first()
    if message is None:
        return
    email = compose(message, connection)
    try:
        with _told_plainly():
            taken = connection.send_messages([email])
    except smtplib.SMTPRecipientsRefused as refusal:
        _refused(message, refusal, sent)
        return
    except AnymailRecipientsRefused:
        _bounced(message, sent)
        return
    if taken != 1:
        raise MailServerError(
            "The mail server did not take an email. What it had taken stays sent; try the rest again later."
        )
    if hasattr(connection, "esp_name"):
        _handed_over(message, sent)
    else:
        _delivered(message, sent)


def _handed_over(message: Message, sent: Sent) -> None:
    """To a provider: whether the recipient's server takes it is told by the provider's webhook."""
    message.handed_over_at = timezone.now()
    message.save(update_fields=["handed_over_at"])
    sent.handed_over += 1


def _delivered(message: Message, sent: Sent) -> None:
    message.delivered_at = timezone.now()
    message.save(update_fields=["delivered_at"])
    signals.email_delivered.send(sender=Message, activity=activity_of(message, message.delivered_at))
    sent.delivered += 1


def _refused(message: Message, refusal: smtplib.SMTPRecipientsRefused, sent: Sent) -> None:
    # A 4xx answer means "not now" (greylisting, a full mailbox): no bounce, and worth another try.
    if any(code < 500 for code, _text in refusal.recipients.values()):  # noqa: PLR2004  # SMTP's own border
        sent.deferred += 1
    else:
        _bounced(message, sent)


def _bounced(message: Message, sent: Sent) -> None:
    message.bounced_at = timezone.now()
    message.save(update_fields=["bounced_at"])
    signals.email_bounced.send(sender=Message, activity=activity_of(message, message.bounced_at))
    sent.bounced += 1


@contextmanager
def _mail_server() -> Iterator[BaseEmailBackend]:
    """Django's email backend with its connection open: one for all messages, where each would open its own."""
    connection = get_connection()
    with _told_plainly():
        connection.open()
    try:
        yield connection
    finally:
        # All that was to be sent is sent or has failed by now; a server that is gone can't be taken leave of.
        with suppress(OSError):
            connection.close()


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn what an email backend raises into a `MailServerError`, except the refusal of a recipient."""
    try:
        yield
    except (smtplib.SMTPRecipientsRefused, AnymailRecipientsRefused):
        raise
    except Exception as error:
        logger.warning("sending a campaign stopped", exc_info=error)
        raise MailServerError(
            f"The mail server could not be reached or broke off ({type(error).__name__}). "
            "What it had taken stays sent; try the rest again later."
        ) from error
