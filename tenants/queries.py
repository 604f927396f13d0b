from django.db.models import Case, IntegerField, QuerySet, Value, When

from tenants.enums import Role
from tenants.models import Membership, Tenant, User


def tenants_of(user: User) -> QuerySet[Tenant]:
    return Tenant.objects.filter(memberships__user=user).order_by("name", "slug")


def members_of(tenant: Tenant) -> QuerySet[Membership]:
    """The members with their users, owners first, then admins, then viewers."""
    ranks = [When(role=role, then=Value(rank)) for rank, role in enumerate(Role)]
    return (
        Membership.objects.filter(tenant=tenant)
        .select_related("user")
        .order_by(Case(*ranks, output_field=IntegerField()), "user__email")
    )
