"""What the pages show of campaigns and people."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from examples.campaigns.models import Campaign, Message, Person
from examples.campaigns.sending import unsent
from integrations.people import known_user_ids
from tenants.models import Tenant


def subscribed_people() -> QuerySet[Person]:
    return Person.objects.filter(unsubscribed_at=None).order_by("email")


def ask_segment_ids(tenant: Tenant, people: Iterable[Person]) -> None:
    """Fill in `segment_id` of those whom Segment knows by their address. One query."""
    asked = {person.email.lower(): person for person in people}
    for email, user_id in known_user_ids(tenant.pk, asked).items():
        asked[email].segment_id = user_id


def campaigns_with_counts() -> QuerySet[Campaign]:
    """Newest first, each with `delivered`, `opened` and `clicked`."""
    return Campaign.objects.annotate(
        delivered=Count("messages", filter=Q(messages__delivered_at__isnull=False)),
        opened=Count("messages", filter=Q(messages__opened_at__isnull=False)),
        clicked=Count("messages", filter=Q(messages__clicked_at__isnull=False)),
    ).order_by("-created_at", "-pk")


def messages_of(campaign: Campaign) -> QuerySet[Message]:
    return Message.objects.filter(campaign=campaign).select_related("person").order_by("person__email")


@dataclass(frozen=True)
class Totals:
    """Of one campaign, in messages. `waiting` can still be sent."""

    recipients: int
    delivered: int
    bounced: int
    opened: int
    clicked: int
    unsubscribed: int
    waiting: int


def totals_of(campaign: Campaign) -> Totals:
    # count() of a column leaves out its nulls.
    counts = Message.objects.filter(campaign=campaign).aggregate(
        recipients=Count("pk"),
        delivered=Count("delivered_at"),
        bounced=Count("bounced_at"),
        opened=Count("opened_at"),
        clicked=Count("clicked_at"),
        unsubscribed=Count("unsubscribed_at"),
    )
    return Totals(**counts, waiting=unsent(campaign).count())
