"""Switching an account off, and on again. None is deleted: that would pass by the rule of the last owner."""

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import Q, QuerySet

from tenants.account_trail import tell
from tenants.enums import Role
from tenants.invitations import revoke_invitations_by
from tenants.models import Membership, Tenant, User


@transaction.atomic
def deactivate(user: User, reason: str, *, by: User) -> None:
    """End the account's sessions and the invitations that it has sent, and let nobody sign in with it."""
    if not _set_active(user, active=False):
        return
    for session in UserSession.objects.filter(user=user):
        session.end()
    for member in Membership.objects.filter(user=user):
        revoke_invitations_by(member)
    tell(user, "(staff) deactivated the account of", user.email, by=by, reason=reason)


@transaction.atomic
def activate(user: User, reason: str, *, by: User) -> None:
    if _set_active(user, active=True):
        tell(user, "(staff) activated the account of", user.email, by=by, reason=reason)


def left_without_owner(user: User) -> QuerySet[Tenant]:
    """The companies of which nobody else is an owner who can sign in."""
    other_owners = Membership.objects.filter(~Q(user=user), role=Role.OWNER, user__is_active=True)
    owned = Tenant.objects.filter(memberships__user=user, memberships__role=Role.OWNER)
    return owned.exclude(pk__in=other_owners.values("tenant")).order_by("name", "slug")


def _set_active(user: User, *, active: bool) -> bool:
    """Whether it was not so already: sent twice, a form is noted once."""
    changed = User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active)
    user.is_active = active
    return bool(changed)
