"""The one statement that stores events: log row, to-do row and, for calls with an id of their own, the dedupe row."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Final

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper

from delivery import identifiers
from delivery.encoding import with_message_id
from delivery.preparing import Prepared
from integrations.models import Source

STORE: Final = """
WITH logged AS (
    INSERT INTO delivery_event (
        tenant_id, source_id, message_id, type, name, user_id, payload, bytes, occurred_at, captured_at
    )
    SELECT %(tenant)s, source_id, message_id, type, name, user_id, payload, octet_length(payload),
        coalesce(occurred_at, statement_timestamp()), statement_timestamp()
    FROM unnest(
        %(sources)s::bigint[], %(message_ids)s::uuid[], %(types)s::text[], %(names)s::text[], %(user_ids)s::text[],
        string_to_array(%(payloads)s, chr(30)), %(moments)s::timestamptz[]
    ) AS item (source_id, message_id, type, name, user_id, payload, occurred_at)
    RETURNING id, source_id, bytes
)
INSERT INTO delivery_pending (source_id, event_id, bytes) SELECT source_id, id, bytes FROM logged RETURNING event_id
"""
# The payloads come as one text, because an array literal would escape each of their many quotes; finished JSON holds no
# control character, so 30 can stand between them. The other arrays are written here too: psycopg takes three times as
# long for a list as PostgreSQL for the rows.

STORE_ONCE: Final = """
WITH item AS MATERIALIZED (
    SELECT nextval('delivery_event_id_seq') AS id, t.*
    FROM unnest(
        %(sources)s::bigint[], %(message_ids)s::uuid[], %(types)s::text[], %(names)s::text[], %(user_ids)s::text[],
        string_to_array(%(payloads)s, chr(30)), %(moments)s::timestamptz[], %(derived)s::bool[]
    ) AS t (source_id, message_id, type, name, user_id, payload, occurred_at, derived)
), fresh AS (
    INSERT INTO delivery_messagekey (source_id, message_id, event_id, captured_at)
    SELECT source_id, message_id, id, statement_timestamp() FROM item WHERE derived ORDER BY source_id, message_id
    ON CONFLICT DO NOTHING
    RETURNING event_id
), logged AS (
    INSERT INTO delivery_event (
        id, tenant_id, source_id, message_id, type, name, user_id, payload, bytes, occurred_at, captured_at
    )
    SELECT id, %(tenant)s, source_id, message_id, type, name, user_id, payload, octet_length(payload),
        coalesce(occurred_at, statement_timestamp()), statement_timestamp()
    FROM item WHERE NOT derived OR id IN (SELECT event_id FROM fresh)
    RETURNING id, source_id, bytes
)
INSERT INTO delivery_pending (source_id, event_id, bytes) SELECT source_id, id, bytes FROM logged RETURNING event_id
"""
# For calls that came with an id of their own, and those beside them. The ids are drawn first and used in every table.
# The dedupe rows go in sorted: two captures of the same calls in another order would lock each other out.


def store(sources: Sequence[Source], prepared: Sequence[Prepared]) -> list[int]:
    """The ids of the events made: one for each call and source, less those whose own id was there before."""
    if not prepared:
        return []
    with _cursor() as cursor:
        _send(cursor, sources, prepared)
        return _event_ids(cursor)


def store_parts(sources: Sequence[Source], parts: Iterable[Sequence[Prepared]]) -> list[int]:
    """As `store`, in a statement for each part; PostgreSQL stores one while the next is taken from `parts`."""
    with ExitStack() as stack:
        stack.enter_context(connection.wrap_database_errors)
        stack.enter_context(connection.connection.pipeline())
        cursors = []
        for part in filter(None, parts):
            cursors.append(stack.enter_context(_cursor()))
            _send(cursors[-1], sources, part)
        return [event_id for cursor in cursors for event_id in _event_ids(cursor)]


def _cursor() -> CursorWrapper:
    """One that sends the values beside the statement.

    Django's own puts them into its text, where each is escaped, and read again letter by letter.
    """
    cursor: Any = psycopg.Cursor(connection.connection)
    return connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)


def _send(cursor: CursorWrapper, sources: Sequence[Source], prepared: Sequence[Prepared]) -> None:
    source_ids = [source.pk for source in sources] * len(prepared)
    keys = [source.message_id_key for source in sources] * len(prepared)
    each = [call for call in prepared for _ in sources]
    encoded, client_ids, types, names, user_ids, moments = zip(*each, strict=True)
    message_ids = [
        identifiers.derive(key, client_id) if client_id else minted
        for key, client_id, minted in zip(keys, client_ids, identifiers.mint(len(each)), strict=True)
    ]
    values: dict[str, Any] = {
        "tenant": sources[0].tenant_id,
        "sources": _array(map(str, source_ids)),
        "message_ids": _array(message_ids),
        "types": _array(types),
        "names": _text_array(names),
        "user_ids": _text_array(user_ids),
        "payloads": "\x1e".join(map(with_message_id, encoded, message_ids)),
        "moments": _array(moment or "NULL" for moment in moments),
    }
    if any(client_ids):
        cursor.execute(STORE_ONCE, {**values, "derived": _array("t" if own else "f" for own in client_ids)})
    else:
        cursor.execute(STORE, values)


def _event_ids(cursor: CursorWrapper) -> list[int]:
    return [event_id for (event_id,) in cursor.fetchall()]


def _array(elements: Iterable[str]) -> str:
    """As PostgreSQL writes an array of what needs no quotes."""
    return "{" + ",".join(elements) + "}"


def _text_array(texts: Iterable[str]) -> str:
    """Of any texts without NUL, which PostgreSQL would refuse anyway. All are escaped at once."""
    escaped = "\0".join(texts).replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + escaped.replace("\0", '","') + '"}'
