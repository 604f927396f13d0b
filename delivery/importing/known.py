from collections.abc import Iterable
from typing import Final

from django.db import connection

from delivery import identifiers
from integrations.models import Source

KNOWN: Final = "SELECT message_id::text FROM delivery_event WHERE message_id = ANY(%s::uuid[]) AND source_id = %s"


def known_to(source: Source, ids: Iterable[str]) -> set[str]:
    """Which of these messageIds, as their callers made them, the source has in its log.

    Dedupe rows are kept for days and the log for months, so a longer file of the same history adds only what is new.
    """
    by_derived = {identifiers.derive(source.message_id_key, each): each for each in ids}
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [list(by_derived), source.pk])
        return {by_derived[message_id] for (message_id,) in cursor.fetchall()}
