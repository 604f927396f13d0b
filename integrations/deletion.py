"""Deleting a source, and what a company's end and a person's erasure mean for this app's rows. docs/privacy.md."""

from typing import Any, Final

from django.db import connection, transaction

from integrations.models import ApiKey, Source
from integrations.signals import source_deleting
from tenants import audit
from tenants.closing import WRONG_NAME, tenant_closing
from tenants.enums import ErasureKind, PersonField
from tenants.erasure import Progress, ask, erasing
from tenants.errors import TenantError
from tenants.models import Erasure, Tenant, User
from tenants.scoping import scope
from tenants.staff_pages import forget_notes

CHUNK: Final = 5_000
DELETED: Final = "deleted the source"
"""In the history, with the source's number: its old pages tell who deleted it (integrations/gone.py)."""


def connect() -> None:
    tenant_closing.connect(close, dispatch_uid="integrations: tenant closing")
    erasing.connect(erase, dispatch_uid="integrations: erasing")


@transaction.atomic
def delete_source(source: Source, typed_name: str, *, by: User) -> Erasure:
    """Nothing is captured or sent from the commit on. Raises TenantError when the name is not the typed one."""
    if typed_name.strip() != source.name:
        raise TenantError(WRONG_NAME)
    tenant, name, number = source.tenant, source.name, source.pk
    with scope(tenant.pk):
        counts = _delete([number])
    audit.note(tenant.pk, by, DELETED, name, number=number)
    return ask(tenant, ErasureKind.SOURCE, name, by=by, source_ids=[number], counts=counts)


def close(*, tenant: Tenant, **_kwargs: object) -> tuple[list[int], dict[str, int]]:
    ids = list(Source.objects.order_by("pk").values_list("pk", flat=True))
    counts = _delete(ids)
    counts["API keys"] = ApiKey.objects.filter(tenant=tenant).delete()[0]
    return ids, counts


def _delete(source_ids: list[int]) -> dict[str, int]:
    """Of the tenant in scope. An attempt that is being begun holds the row of its source: it comes before, or never."""
    locked = Source.objects.select_for_update().filter(pk__in=source_ids).order_by("pk")
    ids = list(locked.values_list("pk", flat=True))
    counts: dict[str, int] = {}
    answers: list[tuple[Any, Any]] = source_deleting.send(sender=Source, source_ids=ids)
    for _receiver, gone in answers:
        counts |= gone
    Source.objects.filter(pk__in=ids).delete()
    forget_notes(Source, ids)
    return counts | {"sources": len(ids)}


def erase(*, erasure: Erasure, **_kwargs: object) -> Progress:
    match erasure.kind:
        case ErasureKind.PERSON:
            return _erase_person(erasure)
        case ErasureKind.TENANT:
            return _erase_people(erasure)
    return Progress.DONE


ALL_PEOPLE: Final = """
WITH person AS (SELECT id FROM integrations_person WHERE tenant_id = %(tenant)s ORDER BY id LIMIT %(chunk)s), key AS (
    DELETE FROM integrations_personkey WHERE person_id IN (SELECT id FROM person)
)
SELECT array_agg(id) FROM person
"""


def _erase_people(erasure: Erasure) -> Progress:
    with connection.cursor() as cursor:
        cursor.execute(ALL_PEOPLE, {"tenant": erasure.tenant_number, "chunk": CHUNK})
        ids = cursor.fetchone()[0] or []
        cursor.execute("DELETE FROM integrations_person WHERE id = ANY(%s)", [ids])
    erasure.add("people from Segment", len(ids))
    return Progress.MORE if ids else Progress.DONE


FIND: Final = """
SELECT person_id FROM integrations_personkey WHERE tenant_id = %(tenant)s AND kind = %(field)s AND value = %(value)s
UNION SELECT id FROM integrations_person WHERE tenant_id = %(tenant)s AND email = %(value)s AND %(field)s = 'email'
"""
TAKE_KEYS: Final = "DELETE FROM integrations_personkey WHERE person_id = ANY(%s) RETURNING kind, value"
TAKE_ANONYMOUS: Final = """
DELETE FROM integrations_anonymousid AS anonymous USING integrations_source AS source
WHERE source.id = anonymous.source_id AND source.tenant_id = %(tenant)s AND (
    (anonymous.email = ANY(%(emails)s) AND anonymous.email <> '') OR anonymous.value = ANY(%(anonymous)s)
    OR (anonymous.user_id = ANY(%(users)s) AND anonymous.user_id <> '')
)
RETURNING anonymous.value
"""


def _erase_person(erasure: Erasure) -> Progress:
    """At the beginning of a pass: whoever looks for the person's events needs the ids that are found here."""
    if "people" in erasure.place:
        return Progress.DONE
    with connection.cursor() as cursor:
        people: set[int] = set()
        for field, value in erasure.looked_for:
            cursor.execute(FIND, {"tenant": erasure.tenant_number, "field": field, "value": value})
            people |= {person_id for (person_id,) in cursor.fetchall()}
        cursor.execute(TAKE_KEYS, [list(people)])
        erasure.look_for(cursor.fetchall())
        cursor.execute("DELETE FROM integrations_person WHERE id = ANY(%s)", [list(people)])
        cursor.execute(TAKE_ANONYMOUS, _anonymous(erasure))
        values = [value for (value,) in cursor.fetchall()]
        erasure.look_for((PersonField.ANONYMOUS.value, value) for value in values)
    erasure.add("people from Segment", len(people))
    erasure.add("anonymousIds", len(values))
    erasure.place["people"] = True
    return Progress.MORE


def _anonymous(erasure: Erasure) -> dict[str, Any]:
    by_field = {field: [value for kind, value in erasure.looked_for if kind == field] for field in PersonField}
    return {
        "tenant": erasure.tenant_number, "emails": by_field[PersonField.EMAIL],
        "anonymous": by_field[PersonField.ANONYMOUS], "users": by_field[PersonField.USER],
    }  # fmt: skip
