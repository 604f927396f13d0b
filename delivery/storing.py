"""The one statement that stores events: log row, to-do row and, for calls with an id of their own, the dedupe row."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Final

from django.db import connection
from django.db.backends.utils import CursorWrapper

from delivery import identifiers
from delivery.encoding import MESSAGE_ID_BYTES, with_message_id
from delivery.preparing import Prepared
from integrations.models import Source

Row = tuple[str, str, str, str, str, str, str, str, str]
"""source, messageId, whether derived, type, name, user, payload, bytes, occurred at: as PostgreSQL writes them."""
PAYLOAD: Final = 6

STORE: Final = """
WITH item AS MATERIALIZED (
    SELECT nextval('delivery_event_id_seq') AS id, t.*
    FROM unnest(
        %s::bigint[], %s::uuid[], %s::bool[], %s::text[], %s::text[], %s::text[],
        string_to_array(%s, chr(30)), %s::int[], %s::timestamptz[]
    ) AS t (source_id, message_id, derived, type, name, user_id, payload, bytes, occurred_at)
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
    SELECT id, %s, source_id, message_id, type, name, user_id, payload, bytes,
        coalesce(occurred_at, statement_timestamp()), statement_timestamp()
    FROM wanted
)
INSERT INTO delivery_pending (source_id, event_id, bytes) SELECT source_id, id, bytes FROM wanted RETURNING event_id
"""
# The ids are drawn first and used in every table. The dedupe rows go in sorted: two captures of the same calls in
# another order would lock each other out. The payloads come as one text, because an array literal would escape each of
# their many quotes; finished JSON holds no control character, so 30 can stand between them. The other arrays are
# written here too: psycopg takes three times as long for a list as PostgreSQL for the rows.


def store(sources: Sequence[Source], prepared: Sequence[Prepared]) -> list[int]:
    """The ids of the events made: one for each call and source, less those whose own id was there before."""
    if not prepared:
        return []
    with connection.cursor() as cursor:
        _send(cursor, sources, prepared)
        return _event_ids(cursor)


def store_parts(sources: Sequence[Source], parts: Iterable[Sequence[Prepared]]) -> list[int]:
    """As `store`, in a statement for each part; PostgreSQL stores one while the next is taken from `parts`."""
    with ExitStack() as stack:
        stack.enter_context(connection.wrap_database_errors)
        stack.enter_context(connection.connection.pipeline())
        cursors = []
        for part in filter(None, parts):
            cursors.append(stack.enter_context(connection.cursor()))
            _send(cursors[-1], sources, part)
        return [event_id for cursor in cursors for event_id in _event_ids(cursor)]


def _send(cursor: CursorWrapper, sources: Sequence[Source], prepared: Sequence[Prepared]) -> None:
    rows = [_row(source, each) for each in prepared for source in sources]
    columns = list(zip(*rows, strict=True))
    arrays = ["{" + ",".join(column) + "}" for column in columns]
    arrays[PAYLOAD] = "\x1e".join(columns[PAYLOAD])
    cursor.execute(STORE, [*arrays, sources[0].tenant_id])


def _event_ids(cursor: CursorWrapper) -> list[int]:
    return [event_id for (event_id,) in cursor.fetchall()]


def _row(source: Source, prepared: Prepared) -> Row:
    client_id = prepared.client_id
    message_id = identifiers.derive(source.pk, client_id) if client_id else identifiers.mint()
    return (
        str(source.pk), message_id, "t" if client_id else "f", prepared.type,
        _quoted(prepared.name), _quoted(prepared.user_id), with_message_id(prepared.encoded, message_id),
        str(len(prepared.encoded) + MESSAGE_ID_BYTES), prepared.occurred_at or "NULL",
    )  # fmt: skip  # in the order of Row


def _quoted(text: str) -> str:
    """As an element of an array."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
