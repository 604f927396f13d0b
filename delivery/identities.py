"""Whom a source's events are about, for its page: by which kind of id, and whether the ids look right."""

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import connection

from integrations.models import Source

DAYS: Final = 7

MOST: Final = 1_000
"""Events and refusals that are looked at, the newest: a page must not read a busy source's week."""

SHARES: Final = """
WITH newest AS MATERIALIZED (
    SELECT payload, captured_at FROM delivery_event WHERE source_id = %(source)s ORDER BY id DESC LIMIT %(most)s
), call AS MATERIALIZED (
    SELECT payload::jsonb ->> 'userId' AS user_id, payload::jsonb #>> ARRAY['context', %(field)s] AS tool_id
    FROM newest WHERE payload <> '' AND captured_at > statement_timestamp() - make_interval(days => %(days)s)
), told AS (
    SELECT user_id, tool_id, EXISTS (
        SELECT FROM integrations_personkey AS key
        WHERE key.tenant_id = %(tenant)s AND key.kind = 'user' AND key.value = call.user_id
    ) AS is_segments
    FROM call
), refused AS (
    SELECT source_id, reason, refused_at FROM delivery_refusal
    WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT %(most)s
)
SELECT count(*) FILTER (WHERE is_segments) AS segments,
    count(*) FILTER (WHERE user_id IS NOT NULL AND NOT is_segments) AS customers,
    count(*) FILTER (WHERE user_id IS NULL) AS anonymous,
    (SELECT count(*) FROM refused WHERE source_id = %(source)s AND reason = 'no_identity'
        AND refused_at > statement_timestamp() - make_interval(days => %(days)s)) AS nobodys,
    count(*) FILTER (WHERE user_id = tool_id) AS own,
    count(*) FILTER (WHERE user_id ~ '^[^@\\s]+@[^@\\s]+[.][^@\\s]+$') AS addresses,
    EXISTS (SELECT FROM integrations_personkey WHERE tenant_id = %(tenant)s AND kind = 'user') AS segment_tells
FROM told
"""

OWN: Final = (
    "carry our own id of the person as userId. Give people the id that your own system has for them: under ours, "
    "Segment counts each as one more user, which you pay for."
)
ADDRESSES: Final = "carry an email address as userId. An address changes, and then Segment counts one person as two."
UNKNOWN: Final = (
    "None of these userIds is one that your Segment workspace has told us. If they differ from the workspace's, "
    "Segment counts each person twice."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One kind of identity: how many events, and of a hundred."""

    kind: str
    count: int
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Counts of events. `own` and `addresses` are userIds that are no id of the customer's, of all that are counted."""

    segments: int
    customers: int
    anonymous: int
    nobodys: int
    own: int
    addresses: int
    segment_tells: bool

    @property
    def total(self) -> int:
        return self.segments + self.customers + self.anonymous + self.nobodys

    @property
    def shares(self) -> list[Share]:
        kinds = {
            "userId that Segment has sent us": self.segments,
            "userId that you have given": self.customers,
            "anonymousId": self.anonymous,
            "None: refused": self.nobodys,
        }
        return [
            Share(kind=kind, count=count, percent=round(100 * count / self.total))
            for kind, count in kinds.items()
            if count
        ]

    @property
    def warnings(self) -> list[str]:
        """What looks wrong with the ids, in sentences for the customer."""
        of_all = f"of {self.segments + self.customers:,} events"
        found = {
            f"{self.own:,} {of_all} {OWN}": self.own,
            f"{self.addresses:,} {of_all} {ADDRESSES}": self.addresses,
            UNKNOWN: self.segment_tells and self.customers and not self.segments,
        }
        return [warning for warning, is_due in found.items() if is_due]


def identities_of(source: Source) -> Identities:
    """Of the newest events and refusals of the last days. One query, bounded."""
    asked: dict[str, Any] = {
        "source": source.pk,
        "tenant": source.tenant_id,
        "field": settings.INTEGRATION_TOOL_ID_FIELD,
        "most": MOST,
        "days": DAYS,
    }
    with connection.cursor() as cursor:
        cursor.execute(SHARES, asked)
        columns = [column.name for column in cursor.description or ()]
        return Identities(**dict(zip(columns, cursor.fetchone(), strict=True)))
