from typing import Final, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Case, Exists, IntegerField, Model, OuterRef, Q, QuerySet, Value, When
from django.http import HttpRequest

from tenants.enums import Role
from tenants.models import AuditEntry, Erasure, Membership, Tenant, User
from tenants.scoping import every_tenant

ROWS_PER_PAGE: Final = 50

Row = TypeVar("Row", bound=Model)


def tenants_of(user: User) -> QuerySet[Tenant]:
    return Tenant.objects.filter(memberships__user=user).order_by("name", "slug")


def memberships_of(user: User) -> QuerySet[Membership]:
    """With their tenants."""
    return Membership.objects.filter(user=user).select_related("tenant").order_by("tenant__name", "tenant__slug")


def receipts_of_last_reader(user: User) -> QuerySet[Erasure]:
    """What nobody but this person can open: they asked for it, and nobody belongs to the company any more."""
    members = Membership.objects.filter(tenant=OuterRef("tenant_number"))
    with every_tenant():
        return Erasure.objects.filter(~Exists(members), by=user).order_by("-asked_at")


def members_of(tenant: Tenant, search: str = "") -> QuerySet[Membership]:
    """The members with their users, owners first, then admins, then viewers; those whose address has `search` in it."""
    ranks = [When(role=role, then=Value(rank)) for rank, role in enumerate(Role)]
    members = Membership.objects.filter(tenant=tenant)
    if search:
        members = members.filter(user__email__icontains=search)
    return members.select_related("user").order_by(Case(*ranks, output_field=IntegerField()), "user__email")


def audit_entries(person: str = "", what: str = "") -> QuerySet[AuditEntry]:
    """Of the tenant in scope, newest first; those whose person, and whose deed or subject, have these texts in them."""
    entries = AuditEntry.objects.order_by("-pk")
    if person:
        entries = entries.filter(by_label__icontains=person)
    if what:
        entries = entries.filter(Q(deed__icontains=what) | Q(subject__icontains=what))
    return entries


def searched(request: HttpRequest, name: str = "q") -> str:
    """What the page's search field was sent with; PostgreSQL has no NUL in its text."""
    return request.GET.get(name, "").strip().replace("\0", "")[:254]


def page_of(rows: QuerySet[Row], request: HttpRequest) -> Page[Row]:
    """The rows of the page that the address asks for; a number out of range gives the nearest."""
    return Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page"))
