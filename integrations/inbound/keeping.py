"""Writing down what Segment says of people.

One transaction of a tenant at a time: an advisory lock of the tenant's comes before the reading, so that two messages
about one person, or two batches in another order, can neither make the person twice nor lock each other out. Most
messages say what is known already; they are read against it and take no lock.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from integrations.anonymous import name_by_email
from integrations.enums import PersonKeyKind
from integrations.inbound.book import Book, Key, keys_of
from integrations.inbound.parsing import Message
from integrations.models import Person, PersonKey
from integrations.queries import capturing_sources
from integrations.signals import calls_due
from tenants.scoping import scope

MAX_DEVICES: Final = 50
"""anonymousIds kept of one person, the newest. A test account or a bot can have any number of them."""

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('people of ' || %s::text, 0))"

LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '3s'"
"""Segment waits 5 s for an answer; a 503 in time is asked again."""

PERSON_FIELDS: Final = ["id", "tenant_id", "user_id", "email", "group_id", "traits", "told_at", "seen_at", "created_at"]
"""In the model's order, which `from_db` goes by."""
TRAITS: Final = PERSON_FIELDS.index("traits")

_FOUND: Final = f"""
SELECT key.kind, key.value, {", ".join(f"person.{name}" for name in PERSON_FIELDS)}
FROM integrations_personkey AS key JOIN integrations_person AS person ON person.id = key.person_id
"""  # noqa: S608  # our own names
FIND: Final = f"""
{_FOUND} WHERE key.tenant_id = %s AND key.kind = 'user' AND key.value = ANY(%s)
UNION ALL {_FOUND} WHERE key.tenant_id = %s AND key.kind = 'anonymous' AND key.value = ANY(%s)
"""

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
                cursor.execute(LOCK_TIMEOUT)
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
    Person.objects.bulk_create([person for person in changed if not person.pk])
    # An INSERT that always meets its row: one statement, where bulk_update would be a CASE for each.
    Person.objects.bulk_create(
        [person for person in changed if person.pk],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["user_id", "email", "group_id", "traits", "told_at", "seen_at"],
    )
    _move_keys(book)
    _assign_keys(book)


def _move_keys(book: Book) -> None:
    """Those who were joined are gone; all ids that led to them lead to who they are now."""
    joined = {gone.pk: stays.pk for gone, stays in book.joined()}
    if joined:
        with connection.cursor() as cursor:
            cursor.execute(MOVE_KEYS, [list(joined), list(joined.values())])
            cursor.execute("DELETE FROM integrations_person WHERE id = ANY(%s)", [list(joined)])


def _assign_keys(book: Book) -> None:
    keys = [
        PersonKey(tenant_id=book.tenant_id, person=person, kind=kind, value=value)
        for (kind, value), person in book.assigned().items()
    ]
    PersonKey.objects.bulk_create(
        keys, update_conflicts=True, unique_fields=["tenant", "kind", "value"], update_fields=["person"]
    )
    with_devices = {key.person_id for key in keys if key.kind == PersonKeyKind.ANONYMOUS}
    if with_devices:
        with connection.cursor() as cursor:
            cursor.execute(FORGET_DEVICES, [list(with_devices), MAX_DEVICES])


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
