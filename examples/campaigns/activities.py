"""What has happened to a message, in the words of the domain signals."""

from dataclasses import dataclass
from datetime import datetime

from examples.campaigns.content import message_name
from examples.campaigns.models import Message
from integrations.signals import EmailActivity, Recipient

LINK_ID = "link-1"
"""A campaign has one hyperlink; its id is the place it has in the email."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Where a request of a reader came from."""

    ip: str | None
    user_agent: str | None


def activity_of(
    message: Message, occurred_at: datetime, reader: Reader | None = None, *, of_the_link: bool = False
) -> EmailActivity:
    """`of_the_link`: the activity is about the campaign's hyperlink, not only about the email."""
    campaign, person = message.campaign, message.person
    return EmailActivity(
        tenant_id=campaign.tenant_id,
        recipient=Recipient(email=person.email, tool_id=str(person.pk), user_id=person.external_id or None),
        occurred_at=occurred_at,
        email_id=message_name(message),
        email_subject=campaign.subject,
        campaign_id=f"campaign-{campaign.pk}",
        campaign_name=campaign.name,
        ip=reader.ip if reader else None,
        user_agent=reader.user_agent if reader else None,
        link_id=LINK_ID if of_the_link else None,
        link_url=campaign.link_url if of_the_link else None,
    )
