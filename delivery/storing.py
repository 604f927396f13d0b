"""The one statement that stores events: log row, to-do row and, for calls with an id of their own, the dedupe row."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.db import connection

from delivery import identifiers
from delivery.encoding import with_message_id
from delivery.preparing import Prepared
from integrations.models import Source

Row = tuple[int, int, UUID, bool, str, str, str, str, int, object]
"""tenant, source, messageId, whether derived, type, name, user, payload, bytes, occurred at."""
PAYLOAD: Final = 7

STORE: Final = """
WITH item AS MATERIALIZED (
    SELECT nextval('delivery_event_id_seq') AS id, t.*
    FROM unnest(
        %s::bigint[], %s::bigint[], %s::uuid[], %s::bool[], %s::text[], %s::text[], %s::text[],
        string_to_array(%s, chr(30)), %s::int[], %s::timestamptz[]
    ) AS t (tenant_id, source_id, message_id, derived, type, name, user_id, payload, bytes, occurred_at)
), fresh AS (
    INSERT INTO delivery_messagekey (source_id, message_id, event_id, captured_at)
    SELECT source_id, message_id, id, statement_timestamp() FROM item WHERE derived ORDER BY source_id, message_id
    ON CONFLICT DO NOTHING
    RETURNING event_id
), wanted AS MATERIALIZED (
    SELECT * FROM item WHERE NOT derived OR id IN (SELECT event_id FROM fresh)
), logged AS (
    INSERT INTO delivery_event (
        id, tenant_id, source_id, message_id, type, name, user_id, payload, bytes, occurred_at, captured_at
    )
    SELECT id, tenant_id, source_id, message_id, type, name, user_id, payload, bytes,
        coalesce(occurred_at, statement_timestamp()), statement_timestamp()
    FROM wanted
)
INSERT INTO delivery_pending (source_id, event_id, bytes) SELECT source_id, id, bytes FROM wanted RETURNING event_id
"""
# The ids are drawn first and used in every table. The dedupe rows go in sorted: two captures of the same calls in
# another order would lock each other out. The payloads come as one text, because an array literal would escape each of
# their many quotes; finished JSON holds no control character, so 30 can stand between them.


def store(sources: Sequence[Source], prepared: Sequence[Prepared]) -> list[int]:
    """The ids of the events made: one for each call and source, less those whose own id was there before."""
    if not prepared:
        return []
    rows = [_row(source, each) for each in prepared for source in sources]
    with connection.cursor() as cursor:
        cursor.execute(STORE, _parameters(rows))
        return [event_id for (event_id,) in cursor.fetchall()]


def _parameters(rows: Sequence[Row]) -> list[Any]:
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    columns[PAYLOAD] = "\x1e".join(columns[PAYLOAD])
    return columns


def _row(source: Source, prepared: Prepared) -> Row:
    client_id = prepared.client_id
    message_id = identifiers.derive(source.pk, client_id) if client_id else identifiers.mint()
    payload = with_message_id(prepared.encoded, str(message_id))
    return (
        source.tenant_id, source.pk, message_id, bool(client_id), prepared.type, prepared.name, prepared.user_id,
        payload, len(payload.encode()), prepared.occurred_at,
    )  # fmt: skip  # in the order of Row
