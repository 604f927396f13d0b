"""Deleting a company: at once nobody gets in and nothing is sent any more; beat erases the rest."""

from typing import Any, Final

from django.db import transaction
from django.dispatch import Signal

from tenants.enums import ErasureKind
from tenants.erasure import ask
from tenants.errors import TenantError
from tenants.exports.models import Export
from tenants.members import lock_as_owner
from tenants.models import Erasure, Invitation, Membership, Tenant, User
from tenants.scoping import scope

WRONG_NAME: Final = "This is not the name. Type it as it stands above, or cancel."

tenant_closing = Signal()
"""A company (`tenant`) is about to be closed, in this transaction. A receiver ends what would go on by itself, and
answers the ids of the sources it deleted and the counts of rows that went: (list[int], dict[str, int])."""


@transaction.atomic
def delete_tenant(tenant: Tenant, typed_name: str, *, by: User) -> Erasure:
    """By an owner, who has typed the name. Raises TenantError or and then nothing has changed."""
    if " ".join(typed_name.split()) != tenant.name:
        raise TenantError(WRONG_NAME)
    lock_as_owner(tenant, by)
    with scope(tenant.pk):
        sources, counts = _close(tenant)
        Invitation.objects.all().delete()
        Export.objects.all().delete()
        counts["members"] = Membership.objects.filter(tenant=tenant).delete()[0]
    return ask(tenant, ErasureKind.TENANT, tenant.name, by=by, source_ids=sources, counts=counts)


def _close(tenant: Tenant) -> tuple[list[int], dict[str, int]]:
    sources: list[int] = []
    counts: dict[str, int] = {}
    answers: list[tuple[Any, Any]] = tenant_closing.send(sender=Tenant, tenant=tenant)
    for _receiver, (ids, gone) in answers:
        sources += ids
        for name, count in gone.items():
            counts[name] = counts.get(name, 0) + count
    return sources, counts
