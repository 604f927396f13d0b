"""The domain signals: what a product says has happened, in its own words, with nothing of Segment in them.

A product sends them inside the transaction that makes them true:

    email_opened.send(sender=Message, activity=EmailActivity(...))

Every email signal carries one `activity`; which fields it needs stands beside each.
"""

from dataclasses import dataclass
from datetime import datetime

from django.dispatch import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The person an email went to.

    `user_id` is the *customer's own* id of the person, as Segment's rules for sources ask; `tool_id` is the product's
    id of the same person. Without a `user_id` nothing can be sent, and the refusal says so.
    """

    email: str
    tool_id: str
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailActivity:
    """One thing that happened to one email of one recipient."""

    tenant_id: int
    recipient: Recipient
    occurred_at: datetime
    email_id: str
    email_subject: str
    campaign_id: str
    campaign_name: str
    ip: str | None = None
    user_agent: str | None = None
    link_id: str | None = None
    link_url: str | None = None
    list_id: str | None = None
    list_name: str | None = None
    reported_as: str | None = None
    """The name of this event, under 100 characters, at whoever reported it: reported again, it is captured once."""


email_delivered = Signal()
"""The recipient's mail server took the email."""

email_bounced = Signal()
"""The recipient's mail server refused the email."""

email_opened = Signal()
"""The recipient opened the email; `ip` and `user_agent` are the reader's."""

email_link_clicked = Signal()
"""The recipient followed a link; `link_id` and `link_url` say which, `ip` and `user_agent` are the reader's."""

email_marked_as_spam = Signal()
"""The recipient reported the email as spam."""

unsubscribed = Signal()
"""The recipient unsubscribed; `list_id` and `list_name` may say from what."""

source_changed = Signal()
"""A source's settings changed: `source` (Source) and `change` (SourceChange). Sent in the changing transaction."""

calls_due = Signal()
"""This app itself has calls for a source: `source` (Source) and `calls`. Sent in the transaction they belong to."""

source_deleting = Signal()
"""The sources of `source_ids`, locked, are about to be deleted, in this transaction. A receiver deletes its rows of
them and answers how many, by what they were: dict[str, int]."""
