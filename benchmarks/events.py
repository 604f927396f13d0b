"""The typical event: a click in an email, about 450 bytes of JSON when it is sent."""

from collections.abc import Iterator
from typing import Any

from integrations.spec.calls import Call, track

EVENT = "Email Link Clicked"


def properties(number: int) -> dict[str, Any]:
    return {
        "email_id": f"email-{number:08}",
        "campaign_id": "campaign-123",
        "campaign_name": "New Customer Discount",
        "link_url": "https://www.example.com/?promo=NEWCUSTOMER",
    }


def context(number: int) -> dict[str, Any]:
    return {"traits": {"email": f"person-{number:08}@example.com"}}


def typical_call(number: int) -> Call:
    return track(event=EVENT, user_id=f"user-{number:08}", properties=properties(number), context=context(number))


def typical_calls(count: int) -> Iterator[Call]:
    return map(typical_call, range(count))
