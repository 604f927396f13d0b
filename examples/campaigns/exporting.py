"""What the product has of a company, for its export. A product of your own answers the same signal."""

from typing import Any

from examples.campaigns.models import Campaign, Message, Person
from tenants.exports.parts import Part, exporting, part_of
from tenants.models import Tenant


def connect() -> None:
    exporting.connect(parts, dispatch_uid="campaigns: exporting")


def parts(*, tenant: Tenant, **_kwargs: Any) -> list[Part]:
    own = [tenant.pk]
    return [
        part_of(
            "campaigns/people", "Whom campaigns are sent to.", Person.objects.all(),
            "id", "email", "name", "unsubscribed_at", by="tenant", groups=own, your_id="external_id",
        ),
        part_of(
            "campaigns/campaigns", "The campaigns.", Campaign.objects.all(),
            "id", "name", "subject", "body", "link_text", "link_url", "created_at", "sent_at", by="tenant", groups=own,
        ),
        part_of(
            "campaigns/messages", "What became of each campaign's email to each person.", Message.objects.all(),
            "handed_over_at", "delivered_at", "bounced_at", "opened_at", "clicked_at", "unsubscribed_at",
            by="campaign__tenant", groups=own, campaign="campaign_id", person="person_id",
        ),
    ]  # fmt: skip
