"""Switching an account off, and on again, by staff; deleting it, by its person.

Nobody is deleted out of a company: that would pass by the rule of the last owner.
"""

from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Q, QuerySet

from tenants.account_trail import tell
from tenants.enums import Role
from tenants.errors import TenantError
from tenants.invitations import revoke_invitations_by
from tenants.mails import tell_account_deleted
from tenants.models import Membership, Tenant, User
from tenants.staff_pages import forget_notes

IN_A_COMPANY: Final = "You belong to a company. Leave it, or delete it, before you delete your account."
OF_STAFF: Final = "This account has acted as staff, and the record of that stays. Other staff can deactivate it."


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


@transaction.atomic
def delete_account(user: User) -> None:
    """With its sessions, and what staff noted of it; asked twice, once. Raises TenantError: nothing has changed."""
    # Whoever makes the account a member meanwhile waits for this, and finds no account.
    locked = User.objects.select_for_update().filter(pk=user.pk).first()
    if locked is None:
        return
    if reason := why_not_deleted(locked):
        raise TenantError(reason)
    for session in UserSession.objects.filter(user=locked):
        session.end()
    forget_notes(User, [locked.pk])
    locked.delete()
    tell_account_deleted(locked)


def why_not_deleted(user: User) -> str:
    """Empty when nothing keeps the account."""
    if Membership.objects.filter(user=user).exists():
        return IN_A_COMPANY
    # The admin's history would go with the account of whoever did what it tells of.
    if user.is_staff or LogEntry.objects.filter(user=user).exists():
        return OF_STAFF
    return ""


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
