"""Staff in a company's own pages: what a viewer sees, for half an hour, with a reason that the company reads.

A visit is in the staff member's session. tenants/access.py lets it through its door, and nothing through it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from django.db import connection, transaction
from django.http import Http404, HttpRequest

from tenants.audit import note
from tenants.enums import Role
from tenants.models import Membership, Tenant, User
from tenants.staff_door import may_enter
from tenants.staff_pages import note_for_staff

MINUTES: Final = 30
_KEY: Final = "staff_visit"


@dataclass(frozen=True, slots=True)
class Visit:
    """`by` is the user's number; `ends` is in seconds since 1970, for a session holds JSON."""

    tenant_id: int
    slug: str
    by: int
    ends: float

    @property
    def is_over(self) -> bool:
        return self.ends <= time.time()

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp(self.ends, UTC)


def may_visit(request: HttpRequest) -> bool:
    """Behind the staff door, second factor included, and allowed to see companies there."""
    return may_enter(request) and request.user.has_perm("tenants.view_tenant")


def visit_of(request: HttpRequest) -> Visit | None:
    """The visit of this session, over or not; None for who may make none. No query for those who never began one."""
    stored = request.session.get(_KEY)
    if stored is None or not may_visit(request):
        return None
    visit = Visit(**stored)
    return visit if visit.by == request.user.pk else None


def visit_to(request: HttpRequest, slug: str) -> Visit | None:
    visit = visit_of(request)
    return visit if visit is not None and visit.slug == slug else None


@transaction.atomic
def begin(request: HttpRequest, tenant: Tenant, reason: str, *, by: User) -> None:
    """In place of the visit before, if there is one. Told in the company's history and in the admin's."""
    visit = Visit(tenant.pk, tenant.slug, by.pk, time.time() + MINUTES * 60)
    request.session[_KEY] = asdict(visit)
    # Not after the response: a second click is led to the pages as soon as this transaction ends.
    request.session.save()
    note(tenant.pk, by, "(staff) looked at the pages of", tenant.name, reason=reason)
    note_for_staff(tenant, by, f"Visit: {reason}")


def leave(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)


def visitor(visit: Visit, user: User) -> Membership:
    """A membership that is never stored. A company that is closed has nobody left, and nothing to be seen."""
    tenant = Tenant.objects.filter(pk=visit.tenant_id, memberships__isnull=False).first()
    if tenant is None:
        raise Http404("No such page.")
    return Membership(tenant=tenant, user=user, role=Role.VIEWER)


@contextmanager
def unchanging() -> Iterator[None]:
    """PostgreSQL itself refuses to write for a visitor, whatever a page does when it is looked at."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        yield
        # Undone, not committed: in a transaction that was open before, writing goes on after it.
        transaction.set_rollback(True)
