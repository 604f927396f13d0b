"""The demo's mail server and mailbox: every email that Django sends is kept in a table, as it would have been sent."""

import email
import email.policy
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage as ParsedEmail
from email.utils import parseaddr

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import QuerySet

from examples.campaigns.models import MailboxMessage
from tenants.models import User


class MailboxBackend(BaseEmailBackend):
    """EMAIL_BACKEND of the demo."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        rows = [
            MailboxMessage(
                recipients=[parseaddr(address)[1].lower() for address in message.recipients()],
                subject=" ".join(str(message.subject).split()),
                raw=message.message().as_bytes(),
            )
            for message in email_messages
        ]
        return len(MailboxMessage.objects.bulk_create(rows))


def mails_for(user: User | None) -> QuerySet[MailboxMessage]:
    """What this visitor may read, newest first: everybody's mail, staff's apart.

    Who signs up, was invited, or has forgotten a password reads the link before there is a log-in. In the demo one
    person plays everybody; staff's mail stays theirs, because a staff log-in opens every company.
    """
    mails = MailboxMessage.objects.order_by("-received_at", "-pk")
    if user is not None and user.is_staff:
        return mails
    staff = EmailAddress.objects.filter(user__is_staff=True).values_list("email", flat=True)
    return mails.exclude(
        recipients__overlap=[*staff, *User.objects.filter(is_staff=True).values_list("email", flat=True)]
    )


def mails_to(user: User) -> QuerySet[MailboxMessage]:
    """Those to the user's own address, newest first."""
    return MailboxMessage.objects.order_by("-received_at", "-pk").filter(recipients__contains=[user.email.lower()])


@dataclass(frozen=True)
class OpenedMail:
    """A mail taken apart for reading. `headers` keep their order; `html` is None for a mail of text alone."""

    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    one_click_url: str | None


def open_mail(mail: MailboxMessage) -> OpenedMail:
    parsed = email.message_from_bytes(bytes(mail.raw), policy=email.policy.default)
    return OpenedMail(
        headers=[(name, str(value)) for name, value in parsed.items()],
        text=_body(parsed, "plain"),
        html=_body(parsed, "html"),
        one_click_url=_one_click_url(parsed),
    )


def _body(parsed: ParsedEmail, subtype: str) -> str | None:
    part = parsed.get_body(preferencelist=(subtype,))
    return part.get_content() if part is not None else None


def _one_click_url(parsed: ParsedEmail) -> str | None:
    """Where RFC 8058 has a mail program post to; only this site's own address, as the button is on its page."""
    url = str(parsed.get("List-Unsubscribe", "")).strip().removeprefix("<").removesuffix(">")
    one_click = parsed.get("List-Unsubscribe-Post", "") == "List-Unsubscribe=One-Click"
    return url if one_click and url.startswith(settings.SITE_URL.rstrip("/") + "/") else None
