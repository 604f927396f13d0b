"""Erasing a person on request: what a product that keeps people of its own answers. docs/privacy.md has the rules."""

from typing import Any

from django.db.models import Q

from examples.campaigns.models import Person
from tenants.enums import ErasureKind, PersonField
from tenants.erasure import Progress, erasing, naming
from tenants.models import Erasure
from tenants.scoping import scope


def connect() -> None:
    naming.connect(name, dispatch_uid="campaigns: naming")
    erasing.connect(erase, dispatch_uid="campaigns: erasing")


def name(*, erasure: Erasure, **_kwargs: Any) -> list[tuple[str, str]]:
    """Who is known by an address has the customer's own id too, and calls may name that alone."""
    with scope(erasure.tenant_number):
        people = Person.objects.filter(_named(erasure, PersonField.EMAIL)).exclude(external_id="")
        return [(PersonField.USER.value, person.external_id) for person in people]


def erase(*, erasure: Erasure, **_kwargs: Any) -> Progress:
    """With the messages that they got. At once, and again when more ids of theirs were found meanwhile."""
    known = len(erasure.looked_for)
    if erasure.kind == ErasureKind.PERSON and erasure.place.get("campaigns") != known:
        with scope(erasure.tenant_number):
            _total, gone = Person.objects.filter(_named(erasure, *PersonField)).delete()
        erasure.add("people of campaigns", gone.get("campaigns.Person", 0))
        erasure.add("campaign messages", gone.get("campaigns.Message", 0))
        erasure.place["campaigns"] = known
    return Progress.DONE


def _named(erasure: Erasure, *fields: PersonField) -> Q:
    values = {field: [value for kind, value in erasure.looked_for if kind == field] for field in fields}
    by_email = Q()
    for email in values.get(PersonField.EMAIL, []):
        by_email |= Q(email__iexact=email)
    by_id = Q(external_id__in=values.get(PersonField.USER, []))
    return by_email | by_id
