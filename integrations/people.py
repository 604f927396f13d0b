"""The userId that Segment sends for a person: what mappings and products ask. inbound/ is what writes it down.

Plain SQL, so that a product may ask (examples/ imports no model of this app), and because it is asked for each event.
"""

from collections.abc import Collection
from typing import Final

from django.db import connection, transaction

from integrations.signals import Recipient

KNOWN: Final = """
SELECT user_id FROM (
    SELECT person.user_id, CASE key.kind WHEN 'user' THEN 0 ELSE 2 END AS rank
    FROM integrations_personkey AS key JOIN integrations_person AS person ON person.id = key.person_id
    WHERE key.tenant_id = %(tenant)s AND person.user_id <> ''
        AND (key.kind, key.value) IN (('user', %(user_id)s), ('anonymous', %(anonymous_id)s))
    UNION ALL
    (
        SELECT user_id, 1 FROM integrations_person
        WHERE tenant_id = %(tenant)s AND email = %(email)s AND email <> '' AND user_id <> ''
        ORDER BY told_at DESC LIMIT 1
    )
) AS known ORDER BY rank LIMIT 1
"""
# The customer's own id says exactly who it is. An address is next: two may share one, then the newest word counts.

KNOWN_BY_EMAIL: Final = """
SELECT DISTINCT ON (email) email, user_id FROM integrations_person
WHERE tenant_id = %s AND email = ANY(%s) AND email <> '' AND user_id <> '' ORDER BY email, told_at DESC
"""

COUNT: Final = """
SELECT count(*) FROM (
    SELECT FROM integrations_personkey WHERE tenant_id = %s AND kind = 'user' LIMIT %s
) AS key
"""

MOST_COUNTED: Final = 10_000
"""A page must not count a million rows."""


def known_user_id(tenant_id: int, recipient: Recipient, anonymous_id: str) -> str | None:
    """The userId that Segment sent last for this person, found by their own id, address or anonymousId. One query."""
    asked: dict[str, str | int] = {
        "tenant": tenant_id,
        "user_id": recipient.user_id or "",
        "anonymous_id": anonymous_id,
        "email": normal_email(recipient.email),
    }
    # A savepoint: an error here must not take the transaction of the caller along.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(KNOWN, asked)
        found = cursor.fetchone()
    return found[0] if found else None


def known_user_ids(tenant_id: int, emails: Collection[str]) -> dict[str, str]:
    """The userIds that Segment sent last, by address in small letters; unknown addresses are left out. One query."""
    with connection.cursor() as cursor:
        cursor.execute(KNOWN_BY_EMAIL, [tenant_id, sorted({normal_email(email) for email in emails})])
        return dict(cursor.fetchall())


def count_known(tenant_id: int) -> int:
    """How many people Segment has named to us, counted up to MOST_COUNTED. One query."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [tenant_id, MOST_COUNTED])
        return int(cursor.fetchone()[0])


def normal_email(email: str) -> str:
    """The form in which addresses are compared. (Nearly) no mail server tells small letters from capital ones."""
    return email.strip().lower()
