"""The email itself: text and HTML with the same words, and the headers that let mail programs unsubscribe."""

from email.utils import formataddr, parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string

from examples.campaigns import links
from examples.campaigns.models import Campaign, Message
from integrations.email_providers import mark


def compose(message: Message, connection: BaseEmailBackend) -> EmailMultiAlternatives:
    """The email of one message, ready to send over `connection`."""
    campaign = message.campaign
    unsubscribe_url = links.unsubscribe_url(message.pk)
    text, html = _render(campaign, links.click_url(message.pk), unsubscribe_url, links.open_url(message.pk))
    email = EmailMultiAlternatives(
        subject=campaign.subject,
        body=text,
        from_email=_sender(campaign),
        to=[message.person.email],
        connection=connection,
        headers={
            # The same at every try, so that a mailbox can tell that a second copy is one.
            "Message-ID": f"<{message_name(message)}.campaigns@{links.site_host()}>",
            "List-Unsubscribe": f"<{unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    email.attach_alternative(html, "text/html")
    mark(email, campaign.tenant_id, message_name(message))
    return email


def preview(campaign: Campaign) -> str:
    """The HTML of the email as a reader sees it, with nothing in it that would be counted."""
    _text, html = _render(campaign, campaign.link_url, unsubscribe_url="", open_url="")
    return html


def message_name(message: Message) -> str:
    """The stable name of a message outside the database."""
    return f"message-{message.pk}"


def _render(campaign: Campaign, click_url: str, unsubscribe_url: str, open_url: str) -> tuple[str, str]:
    context = {
        "campaign": campaign,
        "tenant": campaign.tenant,
        "click_url": click_url,
        "unsubscribe_url": unsubscribe_url,
        "open_url": open_url,
    }
    return render_to_string("email/campaign.txt", context), render_to_string("email/campaign.html", context)


def _sender(campaign: Campaign) -> str:
    """The tenant's name before the address that this installation sends from."""
    # A name with a line break in it would be refused as a header.
    name = " ".join(campaign.tenant.name.split())
    return formataddr((name, parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))
