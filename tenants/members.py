"""Who belongs to a tenant, and as what: the changes of it.

Each takes the lock of the tenant's row first and reads both memberships again under it, so that what the acting member
may is judged by the role held now: of two owners who demote each other at once, the second is an owner no more. A
tenant keeps at least one owner.
"""

from django.db import transaction

from tenants import mails
from tenants.audit import note
from tenants.enums import Role
from tenants.errors import MemberError, RoleConflictError
from tenants.invitations import revoke_invitations_above, revoke_invitations_by
from tenants.models import Membership, Tenant, User

GONE = "There is no such member any more: somebody removed them, or they left. Nothing was changed."
NOT_YOURS = "Your role does not allow this any more: somebody changed it. Nothing was changed."
LAST_OWNER = "A company keeps at least one owner. Make somebody else an owner first."


@transaction.atomic
def change_role(tenant: Tenant, user: User, role: Role, *, by: User, seen: str | None = None) -> None:
    """Give a member another role, and end the invitations to a higher one that they sent.

    `seen` is the role that `by` was shown; without one nobody looked before. Raises MemberError, and RoleConflictError.
    """
    actor, member = _lock(tenant, by, user)
    _require(actor.may_change(member) and Role(actor.role).includes(Role(role)))
    if member.role == role:
        return
    if seen not in {None, member.role}:
        raise RoleConflictError(Role(member.role))
    if member.is_owner:
        _require_another_owner(member)
    before, member.role = member.role, role
    member.save(update_fields=["role"])
    note(tenant.pk, by, "changed the role of", user.email, before=before, after=role)
    revoke_invitations_above(member, by=by)
    mails.tell_role_changed(tenant, user, Role(role), by)


@transaction.atomic
def remove_member(tenant: Tenant, user: User, *, by: User) -> None:
    """End a membership, and the invitations that the member has sent. Raises MemberError."""
    actor, member = _lock(tenant, by, user)
    _require(actor.may_change(member))
    _end(member)
    note(tenant.pk, by, "removed", user.email, role=member.role)
    mails.tell_removed(tenant, user)


@transaction.atomic
def leave_tenant(tenant: Tenant, user: User) -> None:
    """End one's own membership. Raises MemberError for the last owner."""
    _, member = _lock(tenant, user, user)
    _end(member)
    note(tenant.pk, user, "left", tenant.name, role=member.role)


@transaction.atomic
def transfer_ownership(tenant: Tenant, user: User, *, by: User) -> None:
    """Make another member an owner, and the owner who does it an admin. Raises MemberError."""
    actor, member = _lock(tenant, by, user)
    _require(actor.is_owner)
    if member.is_owner:
        raise MemberError(f"{user} is an owner already. Nothing was changed.")
    before, member.role, actor.role = member.role, Role.OWNER, Role.ADMIN
    member.save(update_fields=["role"])
    actor.save(update_fields=["role"])
    note(tenant.pk, by, "transferred ownership to", user.email, before=before)
    revoke_invitations_above(actor, by=by)
    mails.tell_ownership(tenant, user, by)


def lock_tenant(tenant: Tenant) -> None:
    """Let one transaction at a time change who belongs to the tenant.

    NO KEY, because rows of events and campaigns that refer to the tenant must go on being written meanwhile.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)


def lock_as_owner(tenant: Tenant, by: User) -> None:
    """The same, for what only an owner may do. Raises MemberError for anybody else."""
    lock_tenant(tenant)
    _require(Membership.objects.filter(tenant=tenant, user=by, role=Role.OWNER).exists())


def _lock(tenant: Tenant, by: User, user: User) -> tuple[Membership, Membership]:
    """The memberships of who acts and whom it is done to, as they are under the lock."""
    lock_tenant(tenant)
    found = {member.user_id: member for member in Membership.objects.filter(tenant=tenant, user__in=[by, user])}
    _require(by.pk in found)
    if user.pk not in found:
        raise MemberError(GONE)
    return found[by.pk], found[user.pk]


def _require(allowed: bool) -> None:
    if not allowed:
        raise MemberError(NOT_YOURS)


def _end(member: Membership) -> None:
    if member.is_owner:
        _require_another_owner(member)
    revoke_invitations_by(member)
    member.delete()


def _require_another_owner(member: Membership) -> None:
    others = Membership.objects.filter(tenant=member.tenant_id, role=Role.OWNER, user__is_active=True)
    if not others.exclude(pk=member.pk).exists():
        raise MemberError(LAST_OWNER)
