"""Erasing what was captured: of a person, of deleted sources, of a closed company. docs/privacy.md has the rules.

A lane that a worker is at is not touched: the worker has read payloads that it may be about to send. The lane is told
to wait instead, and a minute later nobody is at it any more.
"""

import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection, transaction

from delivery import lanes
from delivery.batching import THESE
from delivery.expiry import lane_is_free
from integrations.property_rules import hashed
from integrations.signals import source_deleting
from tenants.enums import ErasureKind, PersonField
from tenants.erasure import Progress, erasing
from tenants.models import Erasure

CHUNK: Final = 5_000
WAIT_SECONDS: Final = 70.0
"""Longer than a lease lasts, and than the time until the next run of beat's."""
SECONDS: Final = 60.0

Row = tuple[int, UUID, str]
"""Of an event: its id, its messageId and its payload."""

log = logging.getLogger(__name__)


def connect() -> None:
    source_deleting.connect(delete_rows, dispatch_uid="delivery: source deleting")
    erasing.connect(erase, dispatch_uid="delivery: erasing")


ROWS: Final = {
    "requests": "DELETE FROM delivery_attempt WHERE source_id = ANY(%s)",
    "batches": "DELETE FROM delivery_batch WHERE source_id = ANY(%s)",
    "refused calls": "DELETE FROM delivery_refusal WHERE source_id = ANY(%s)",
}


def delete_rows(*, source_ids: list[int], **_kwargs: Any) -> dict[str, int]:
    """What has foreign keys to a source has to go with it. Django would load it all first."""
    counts = {}
    with connection.cursor() as cursor:
        # The order of locks: see the note in delivery/lanes.py.
        cursor.execute("DELETE FROM delivery_lane WHERE source_id = ANY(%s)", [source_ids])
        for what, statement in ROWS.items():
            cursor.execute(statement, [source_ids])
            counts[what] = cursor.rowcount
    return counts


def erase(*, erasure: Erasure, **_kwargs: Any) -> Progress:
    if erasure.kind == ErasureKind.PERSON:
        return _erase_person(erasure)
    for source_id in erasure.source_ids:
        if any(gone := erase_source(source_id)):
            for what, count in zip(("events", "dedupe rows"), gone, strict=True):
                erasure.add(what, count)
            return Progress.MORE
    return Progress.DONE


WAITING: Final = """
DELETE FROM delivery_pending WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM delivery_pending WHERE source_id = %(source)s LIMIT %(chunk)s
))
"""
KEYS: Final = """
DELETE FROM delivery_messagekey WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM delivery_messagekey WHERE source_id = %(source)s LIMIT %(chunk)s
))
"""
EVENTS: Final = "SELECT id FROM delivery_event WHERE source_id = %(source)s ORDER BY id LIMIT %(chunk)s"
DELETE_EVENTS: Final = f"DELETE FROM delivery_event WHERE {THESE}"  # noqa: S608  # only constants of ours are put in; values are parameters


def erase_source(source_id: int) -> tuple[int, int]:
    """One chunk of what a deleted source has left behind: how many events and dedupe rows. None: it is all gone."""
    values = {"source": source_id, "chunk": CHUNK}
    with connection.cursor() as cursor:
        cursor.execute(WAITING, values)
        waiting = cursor.rowcount
        cursor.execute(KEYS, values)
        keys = cursor.rowcount
        cursor.execute(EVENTS, values)
        events = _delete_events([event_id for (event_id,) in cursor.fetchall()])
    # To-do rows without events would be a defect, and gone at the next step.
    return events or waiting, keys


def _delete_events(ids: Sequence[int]) -> int:
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(DELETE_EVENTS, {"ids": list(ids), "first": min(ids), "last": max(ids)})
        return int(cursor.rowcount)


def _erase_person(erasure: Erasure) -> Progress:
    """The events of each source, oldest first, then the refused calls; `place` says how far it came."""
    place = erasure.place
    if "people" not in place:
        # Their other ids are not known yet.
        return Progress.MORE
    if "sources" not in place:
        place["sources"], place["after"] = _sources_of(erasure.tenant_number), 0
    if place["sources"]:
        return _erase_events(erasure, place["sources"][0])
    return _erase_refusals(erasure)


def _sources_of(tenant_id: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM integrations_source WHERE tenant_id = %s ORDER BY id", [tenant_id])
        return [source_id for (source_id,) in cursor.fetchall()]


NEXT_EVENTS: Final = """
SELECT id, message_id, payload FROM delivery_event
WHERE source_id = %(source)s AND id > %(after)s ORDER BY id LIMIT %(chunk)s
"""


def _erase_events(erasure: Erasure, source_id: int) -> Progress:
    place = erasure.place
    with connection.cursor() as cursor:
        cursor.execute(NEXT_EVENTS, {"source": source_id, "after": place["after"], "chunk": CHUNK})
        rows = cursor.fetchall()
    names = names_of(erasure.tenant_number, erasure.looked_for)
    found = [(event_id, message_id) for event_id, message_id, _payload in _about(rows, names)]
    if found and not _take(erasure, source_id, found):
        return Progress.BUSY
    if len(rows) == CHUNK:
        place["after"] = rows[-1][0]
    else:
        place["sources"], place["after"] = place["sources"][1:], 0
    return Progress.MORE


def _take(erasure: Erasure, source_id: int, found: Sequence[tuple[int, Any]]) -> bool:
    """Delete these events wherever they wait. False while a worker is at the lane: then it is told to wait."""
    if lanes.lock_source(source_id) is None:
        return True
    if not lane_is_free(source_id):
        lanes.wait(source_id, WAIT_SECONDS)
        return False
    ids = [event_id for event_id, _ in found]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM delivery_pending WHERE source_id = %s AND event_id = ANY(%s)", [source_id, ids])
        message_ids = [message_id for _, message_id in found]
        cursor.execute(
            "DELETE FROM delivery_messagekey WHERE source_id = %s AND message_id = ANY(%s)", [source_id, message_ids]
        )
        erasure.add("dedupe rows", cursor.rowcount)
    erasure.add("events", _delete_events(ids))
    return True


PLACES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    PersonField.USER: (("userId",), ("previousId",), ("context", "traits", "id"), ("traits", "id")),
    PersonField.ANONYMOUS: (("anonymousId",), ("previousId",)),
    PersonField.EMAIL: (
        *(("context", "traits", "email"), ("traits", "email"), ("properties", "email")),
        *(("userId",), ("previousId",)),
    ),
}
"""Where a call says whom it is about."""


@dataclass(frozen=True, slots=True)
class Name:
    """A value that names the person in a call, and how it is written in the call's text in small letters: an address
    without the quotes, because blanks may be beside it.
    """

    field: str
    value: str
    written: str


def names_of(tenant_id: int, looked_for: Iterable[Sequence[str]]) -> list[Name]:
    """Of pairs of a PersonField and a value: these, and what a source's rule that hashes makes of them."""
    hashes = [(field, hashed(tenant_id, value)) for field, value in looked_for]
    return [Name(field, value, _written(field, value)) for field, value in (*looked_for, *hashes)]


def _written(field: str, value: str) -> str:
    quoted = orjson.dumps(value).decode().lower()
    return quoted[1:-1] if field == PersonField.EMAIL else quoted


def _about(rows: Sequence[Row], names: Sequence[Name]) -> Iterator[Row]:
    """The rows of these that are about the person. Most are not: a hundred texts at once are seen to have no name."""
    for start in range(0, len(rows), 100):
        part = rows[start : start + 100]
        text = "\n".join(payload for _event_id, _message_id, payload in part).lower()
        if near := [name for name in names if name.written in text]:
            yield from (row for row in part if is_about(row[2], near))


def is_about(payload: str, names: Iterable[Name]) -> bool:
    """Whether the call's text has one of these where it says whom it is about; addresses in any letters."""
    lowered = payload.lower()
    near = [name for name in names if name.written in lowered]
    if not near:
        return False
    call = orjson.loads(payload)
    return any(_same(name, _at(call, path)) for name in near for path in PLACES[name.field])


def _at(call: Any, path: Iterable[str]) -> Any:
    for name in path:
        call = call.get(name) if isinstance(call, dict) else None
    return call


def _same(name: Name, found: Any) -> bool:
    if not isinstance(found, str):
        return False
    return (found.strip().lower() if name.field == PersonField.EMAIL else found) == name.value


REFUSALS: Final = """
SELECT id, user_id, excerpt FROM delivery_refusal WHERE tenant_id = %(tenant)s AND id > %(after)s
ORDER BY id LIMIT %(chunk)s
"""


def _erase_refusals(erasure: Erasure) -> Progress:
    """An excerpt may be cut, so whatever holds one of the ids goes: a refused call is never sent anyway."""
    place = erasure.place
    with connection.cursor() as cursor:
        cursor.execute(REFUSALS, {"tenant": erasure.tenant_number, "after": place["after"], "chunk": CHUNK})
        rows = cursor.fetchall()
        names = names_of(erasure.tenant_number, erasure.looked_for)
        texts = [(pk, f'"{user_id}" {excerpt}'.lower()) for pk, user_id, excerpt in rows]
        gone = [pk for pk, text in texts if any(_holds(text, name) for name in names)]
        cursor.execute("DELETE FROM delivery_refusal WHERE id = ANY(%s)", [gone])
    erasure.add("refused calls", len(gone))
    place["after"] = rows[-1][0] if rows else place["after"]
    return Progress.MORE if len(rows) == CHUNK else Progress.DONE


BLANKS: Final = r"(\s|\\[nrt])*"
"""As they are written in JSON and in Python."""


def _holds(text: str, name: Name) -> bool:
    """Whether the text, in small letters, has the name between quotes."""
    value = name.value.lower()
    if value not in text:
        return False
    blanks = BLANKS if name.field == PersonField.EMAIL else ""
    return re.search(f"[\"']{blanks}{re.escape(value)}{blanks}[\"']", text) is not None


ORPHANS: Final = """
WITH RECURSIVE seen (id) AS (
    SELECT min(source_id) FROM {table}
    UNION ALL SELECT (SELECT min(source_id) FROM {table} WHERE source_id > seen.id) FROM seen WHERE seen.id IS NOT NULL
)
SELECT id FROM seen WHERE id IS NOT NULL AND NOT EXISTS (SELECT FROM integrations_source AS s WHERE s.id = seen.id)
"""
# From one source to the next by the index, however many rows each has.
OF_SOURCES: Final = ("delivery_pending", "delivery_messagekey", "delivery_event")


def orphans() -> list[int]:
    """Sources that are gone and have left events behind: deleted by a cascade, or in the middle of a capture."""
    found: set[int] = set()
    with connection.cursor() as cursor:
        for table in OF_SOURCES:
            cursor.execute(ORPHANS.format(table=table))
            found |= {source_id for (source_id,) in cursor.fetchall()}
    return sorted(found)


def erase_orphans(seconds: float = SECONDS) -> int:
    """Returns how many events and dedupe rows went. What is left after that time is for the next hour."""
    until = time.monotonic() + seconds
    erased = 0
    for source_id in orphans():
        gone = 1
        while gone and time.monotonic() < until:
            with transaction.atomic():
                gone = sum(erase_source(source_id))
            erased += gone
    if erased:
        log.info("Erased %d rows of deleted sources.", erased)
    return erased
