"""The anonymousIds that sources were sent, and the one `identify` for each when its userId becomes known.

Segment joins both ids when one call carries them. It is sent once for each source and pair of ids: a row is given out
to one transaction alone, and the call's own id, made from both, lets capture see what it has captured before.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from django.conf import settings
from django.db import connection

from integrations.models import AnonymousId, Source
from integrations.people import normal_email
from integrations.spec.calls import Call, identify

REMEMBER: Final = """
INSERT INTO integrations_anonymousid (source_id, value, tool_id, email, user_id, sent_at)
SELECT %(source)s, value, tool_id, email, '', statement_timestamp()
FROM unnest(%(values)s::text[], %(tool_ids)s::text[], %(emails)s::text[]) AS new (value, tool_id, email)
WHERE NOT EXISTS (
    SELECT FROM integrations_anonymousid AS old WHERE old.source_id = %(source)s AND old.value = new.value
)
"""

NAME: Final = """
WITH due AS (
    SELECT row.id, known.user_id
    FROM integrations_anonymousid AS row
    JOIN unnest(%s::text[], %s::text[]) AS known (place, user_id) ON row.{place} = known.place
    WHERE row.source_id = ANY(%s) AND row.user_id = '' AND row.{place} <> ''
    FOR UPDATE OF row SKIP LOCKED
)
UPDATE integrations_anonymousid AS row SET user_id = due.user_id FROM due WHERE row.id = due.id
RETURNING row.source_id, row.value, row.tool_id, row.email, row.user_id
"""
# A row that another transaction has in hand is its to tell of: waiting for it could make two captures wait for each
# other. If that one rolls back, the next call with the userId finds the row.

BY_VALUE: Final = NAME.format(place="value")
BY_EMAIL: Final = NAME.format(place="email")


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who was sent under an anonymousId, and what else is known of them."""

    anonymous_id: str
    tool_id: str
    email: str


def remember(source: Source, strangers: Iterable[Stranger]) -> None:
    """Note whom this source was sent under an anonymousId. One statement, none when there is nobody."""
    new = list({stranger.anonymous_id: stranger for stranger in strangers}.values())
    if not new:
        return
    columns: dict[str, int | list[str]] = {
        "source": source.pk,
        "values": [stranger.anonymous_id for stranger in new],
        "tool_ids": [stranger.tool_id for stranger in new],
        "emails": [normal_email(stranger.email) for stranger in new],
    }
    with connection.cursor() as cursor:
        cursor.execute(REMEMBER, columns)


def unnamed(source: Source, anonymous_ids: Collection[str]) -> dict[str, Stranger]:
    """By these anonymousIds those whom the source was sent under them, and whose userId is still unknown.

    One query, none without an id.
    """
    rows = AnonymousId.objects.filter(source=source, value__in=anonymous_ids, user_id="") if anonymous_ids else ()
    return {row.value: Stranger(row.value, row.tool_id, row.email) for row in rows}


def name_by_anonymous_id(source: Source, user_ids: Mapping[str, str]) -> list[Call]:
    """The identify calls that this source is due, now that these anonymousIds have userIds."""
    return _named(BY_VALUE, user_ids, [source]).get(source.pk, [])


def name_by_email(sources: Iterable[Source], user_ids: Mapping[str, str]) -> dict[int, list[Call]]:
    """The identify calls that these sources are due, by source, now that these addresses have userIds."""
    return _named(BY_EMAIL, {normal_email(email): user_id for email, user_id in user_ids.items()}, sources)


def _named(statement: str, user_ids: Mapping[str, str], sources: Iterable[Source]) -> dict[int, list[Call]]:
    source_ids = [source.pk for source in sources]
    if not (user_ids and source_ids):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(user_ids), list(user_ids.values()), source_ids])
        rows = cursor.fetchall()
    calls: dict[int, list[Call]] = {}
    # Two rows for one anonymousId are one person.
    for source_id, *person in dict.fromkeys(rows):
        calls.setdefault(source_id, []).append(_identify(*person))
    return calls


def _identify(anonymous_id: str, tool_id: str, email: str, user_id: str) -> Call:
    pair = sha256(f"{len(anonymous_id)}:{anonymous_id}{user_id}".encode()).hexdigest()
    context: dict[str, Any] = {settings.INTEGRATION_TOOL_ID_FIELD: tool_id} if tool_id else {}
    return identify(
        user_id=user_id,
        anonymous_id=anonymous_id,
        traits={"email": email} if email else None,
        context=context or None,
        message_id=f"identify-{pair}",
    )
