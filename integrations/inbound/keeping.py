"""Writing down what Segment says of people.

One transaction of a tenant at a time: an advisory lock of the tenant's comes before the reading, so that two messages
about one person, or two batches in another order, can neither make the person twice nor lock each other out. Most
messages say what is known already; they are read against it and take no lock.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from integrations.anonymous import name_by_email
from integrations.enums import PersonKeyKind
from integrations.inbound.book import Book, Key, keys_of
from integrations.inbound.parsing import Message
from integrations.models import Person
from integrations.queries import capturing_sources
from integrations.signals import calls_due
from tenants.scoping import scope

MAX_DEVICES: Final = 50
"""anonymousIds kept of one person, the newest. A test account or a bot can have any number of them."""

LOCK: Final = """
SELECT set_config('lock_timeout', '3s', true), pg_advisory_xact_lock(hashtextextended('people of ' || %s::text, 0))
"""
# Segment waits 5 s for an answer; a 503 in time is asked again.

PERSON_FIELDS: Final = ["id", "tenant_id", "user_id", "email", "group_id", "traits", "told_at", "seen_at", "created_at"]
"""In the model's order, which `from_db` goes by."""
TRAITS: Final = PERSON_FIELDS.index("traits")
TOLD: Final = ["user_id", "email", "group_id", "traits", "told_at", "seen_at"]
"""What messages change of a person."""

_FOUND: Final = f"""
SELECT key.kind, key.value, {", ".join(f"person.{name}" for name in PERSON_FIELDS)}
FROM integrations_personkey AS key JOIN integrations_person AS person ON person.id = key.person_id
"""  # noqa: S608  # only constants of ours are put in; values are parameters
FIND: Final = f"""
{_FOUND} WHERE key.tenant_id = %s AND key.kind = 'user' AND key.value = ANY(%s)
UNION ALL {_FOUND} WHERE key.tenant_id = %s AND key.kind = 'anonymous' AND key.value = ANY(%s)
"""

IDS: Final = "SELECT nextval('integrations_person_id_seq') FROM generate_series(1, %s)"

WRITE: Final = """
WITH told AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(people)s) AS person (
        id bigint, is_new bool, user_id text, email text, group_id text, traits jsonb,
        told_at timestamptz, seen_at timestamptz
    )
), made AS (
    INSERT INTO integrations_person (id, tenant_id, user_id, email, group_id, traits, told_at, seen_at, created_at)
    SELECT id, %(tenant)s, user_id, email, group_id, traits, told_at, seen_at, statement_timestamp()
    FROM told WHERE is_new
), changed AS (
    UPDATE integrations_person AS person
    SET user_id = told.user_id, email = told.email, group_id = told.group_id, traits = told.traits,
        told_at = told.told_at, seen_at = told.seen_at
    FROM told WHERE person.id = told.id AND NOT told.is_new
)
INSERT INTO integrations_personkey (tenant_id, person_id, kind, value)
SELECT %(tenant)s, person_id, kind, value
FROM jsonb_to_recordset(%(keys)s) AS key (person_id bigint, kind text, value text)
ON CONFLICT (tenant_id, kind, value) DO UPDATE SET person_id = excluded.person_id
"""
# In plain SQL, because Segment sends most messages alone: the models' own way took longer than all else of a request.

MOVE_KEYS: Final = """
UPDATE integrations_personkey AS key SET person_id = moved.to_id
FROM unnest(%s::bigint[], %s::bigint[]) AS moved (from_id, to_id) WHERE key.person_id = moved.from_id
"""

FORGET_DEVICES: Final = """
DELETE FROM integrations_personkey WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY person_id ORDER BY id DESC) AS place
        FROM integrations_personkey WHERE kind = 'anonymous' AND person_id = ANY(%s)
    ) AS device WHERE place > %s
)
"""


def keep(tenant_id: int, messages: Sequence[Message]) -> None:
    """Take in what the messages say, all of it or, when an error is raised, nothing."""
    with scope(tenant_id):
        if not _applied(tenant_id, messages).is_changed:
            return
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(LOCK, [tenant_id])
            book = _applied(tenant_id, messages)
            _write(book)
            _name_strangers(tenant_id, book)


def _applied(tenant_id: int, messages: Sequence[Message]) -> Book:
    book = Book(tenant_id, _known(tenant_id, {key for message in messages for key in keys_of(message)}), timezone.now())
    book.apply(messages)
    return book


def _known(tenant_id: int, keys: Collection[Key]) -> dict[Key, Person]:
    """Whom these keys lead to; several may lead to one. One query, in plain SQL: it is asked for each message."""
    values = {kind: [value for each, value in keys if each == kind] for kind in PersonKeyKind}
    with connection.cursor() as cursor:
        cursor.execute(FIND, [tenant_id, values[PersonKeyKind.USER], tenant_id, values[PersonKeyKind.ANONYMOUS]])
        rows = cursor.fetchall()
    people = {person_id: _person([person_id, *values]) for _kind, _value, person_id, *values in rows}
    return {(kind, value): people[person_id] for kind, value, person_id, *_rest in rows}


def _person(values: list[Any]) -> Person:
    # Django leaves jsonb to its fields, which are not asked here.
    values[TRAITS] = json.loads(values[TRAITS])
    return Person.from_db(connection.alias, PERSON_FIELDS, values)


def _write(book: Book) -> None:
    """A statement for each kind of change, however many messages there were."""
    changed = book.changed()
    stored, new = [person for person in changed if person.pk], [person for person in changed if not person.pk]
    with connection.cursor() as cursor:
        _number(cursor, new)
        people = [*_rows(stored, is_new=False), *_rows(new, is_new=True)]
        keys = [
            {"person_id": person.pk, "kind": kind, "value": value} for (kind, value), person in book.assigned().items()
        ]
        cursor.execute(WRITE, {"tenant": book.tenant_id, "people": _json(people), "keys": _json(keys)})
        _move_keys(cursor, book)
        _forget_devices(cursor, book, new)


def _number(cursor: CursorWrapper, new: Sequence[Person]) -> None:
    if new:
        cursor.execute(IDS, [len(new)])
        for person, (person_id,) in zip(new, cursor.fetchall(), strict=True):
            person.pk = person_id


def _rows(people: Iterable[Person], *, is_new: bool) -> Iterator[dict[str, Any]]:
    for person in people:
        yield {name: getattr(person, name) for name in ("id", *TOLD)} | {"is_new": is_new}


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return orjson.dumps(rows).decode()


def _move_keys(cursor: CursorWrapper, book: Book) -> None:
    """Those who were joined are gone; all ids that led to them lead to who they are now."""
    joined = {gone.pk: stays.pk for gone, stays in book.joined()}
    if joined:
        cursor.execute(MOVE_KEYS, [list(joined), list(joined.values())])
        cursor.execute("DELETE FROM integrations_person WHERE id = ANY(%s)", [list(joined)])


def _forget_devices(cursor: CursorWrapper, book: Book, new: Sequence[Person]) -> None:
    """Of those who may have too many now."""
    given = Counter(person.pk for (kind, _value), person in book.assigned().items() if kind == PersonKeyKind.ANONYMOUS)
    few = {person.pk for person in new if given[person.pk] <= MAX_DEVICES}
    crowded = given.keys() - few | {stays.pk for _gone, stays in book.joined()}
    if crowded:
        cursor.execute(FORGET_DEVICES, [list(crowded), MAX_DEVICES])


def _name_strangers(tenant_id: int, book: Book) -> None:
    """Tell each source that was sent one of these people under an anonymousId who they are."""
    known = {person.email: person.user_id for person in book.changed() if person.email and person.user_id}
    if not known:
        return
    sources = capturing_sources(tenant_id)
    due = name_by_email(sources, known)
    for source in sources:
        if source.pk in due:
            calls_due.send(sender=Person, source=source, calls=due[source.pk])
