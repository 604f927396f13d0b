"""Invitations to a tenant, by email.

The link holds a token of 256 random bits, and the table its SHA-256 alone: who reads the table can accept nothing. An
invitation is for its address: only an account that has confirmed this address takes it up, once, within a week.
"""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Final

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from tenants import mails
from tenants.audit import note
from tenants.enums import Role
from tenants.errors import InvitationError
from tenants.models import Invitation, Membership, Tenant, User
from tenants.scoping import every_tenant, scope

EXPIRY: Final = timedelta(days=7)
PAUSE: Final = timedelta(minutes=1)
"""Between two mails of the same invitation."""
TENANT_MAILS_A_DAY: Final = 200
ADDRESS_MAILS_A_DAY: Final = 10
"""To one address, whoever invites it: a tenant costs nothing, so a limit for each alone would not protect anybody."""

GONE: Final = "This invitation is no longer open: it was accepted or revoked meanwhile. Nothing was changed."


def invite(tenant: Tenant, email: str, role: Role, *, by: User) -> Invitation:
    """Invite whoever reads mail at this address, and send the mail after the commit. Raises InvitationError.

    What a mail server that refuses raises (mails.NOT_TAKEN) goes on: the invitation stands then and can be sent again.
    """
    email = _clean_email(email)
    token, digest = _new_token()
    with transaction.atomic(), scope(tenant.pk):
        _require_right(tenant, role, by)
        _require_new(tenant, email)
        _require_room(tenant, email)
        invitation = Invitation(tenant=tenant, email=email, role=role, digest=digest, invited_by=by)
        invitation.expires_at = invitation.sent_at + EXPIRY
        invitation.save(force_insert=True)
        note(tenant.pk, by, "invited", email, role=role)
        mails.send_invitation(invitation, token, by)
    return invitation


def send_again(invitation: Invitation, *, by: User) -> None:
    """Send a new link, good for a week; the old one is dead. Raises InvitationError, and NOT_TAKEN as `invite` does."""
    token, digest = _new_token()
    tenant = invitation.tenant
    with transaction.atomic(), scope(tenant.pk):
        _require_right(tenant, Role(invitation.role), by)
        current = _reload_open(invitation.pk)
        if current.sent_at > timezone.now() - PAUSE:
            raise InvitationError("It was sent less than a minute ago. Wait a minute, then send it again.")
        _require_room(tenant, current.email)
        current.digest, current.sent_at, current.sends = digest, timezone.now(), current.sends + 1
        current.expires_at = current.sent_at + EXPIRY
        current.save(update_fields=["digest", "sent_at", "sends", "expires_at"])
        note(tenant.pk, by, "sent another invitation to", current.email)
        mails.send_invitation(current, token, by)


def revoke_invitation(invitation: Invitation, *, by: User) -> None:
    """Make the link worthless. Raises InvitationError when it was accepted or revoked meanwhile."""
    tenant = invitation.tenant
    with transaction.atomic(), scope(tenant.pk):
        _require_right(tenant, Role(invitation.role), by)
        _revoke(_reload_open(invitation.pk), by)


def revoke_invitations_above(member: Membership, *, by: User) -> None:
    """Who is given a lower role keeps no way back to the one before: an invitation sent to an address of their own."""
    with scope(member.tenant_id):
        sent = open_invitations().filter(invited_by=member.user_id).order_by("pk")
        for invitation in sent.select_for_update(no_key=True):
            if not Role(member.role).includes(Role(invitation.role)):
                _revoke(invitation, by)


def _revoke(invitation: Invitation, by: User) -> None:
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    note(invitation.tenant_id, by, "revoked the invitation of", invitation.email)


def revoke_invitations_by(member: Membership) -> None:
    """Who leaves takes along no key to come back with: an invitation sent to another address of their own."""
    with scope(member.tenant_id):
        open_invitations().filter(invited_by=member.user_id).update(revoked_at=timezone.now())


def open_invitations() -> QuerySet[Invitation]:
    """Of the tenant in scope, expired ones included: those can be sent again."""
    return Invitation.objects.filter(accepted_at=None, revoked_at=None)


def find_invitation(token: str) -> Invitation | None:
    """The invitation of a link, whatever became of it; None for a token that never was, or was replaced."""
    digest = sha256(token.encode(errors="surrogatepass")).digest()
    with every_tenant():
        return Invitation.objects.select_related("tenant", "invited_by").filter(digest=digest).first()


def obstacle(invitation: Invitation) -> str:
    """Why nobody can accept this one, as a sentence for its page; empty when it is open."""
    if invitation.accepted_at is not None:
        return "This invitation has been used already. Sign in to open the company."
    if invitation.revoked_at is not None:
        return f"This invitation was withdrawn. Ask somebody at {invitation.tenant} for a new one."
    if invitation.is_expired:
        return (
            f"This invitation has expired: it is good for a week. Ask somebody at {invitation.tenant} to send it again."
        )
    return ""


def accept_invitation(invitation: Invitation, user: User) -> Membership:
    """Make the user a member. Raises InvitationError.

    The invitation is read again under its lock: clicked twice at once, it is accepted once.
    """
    with transaction.atomic(), scope(invitation.tenant_id):
        current = Invitation.objects.select_for_update(no_key=True, of=("self",)).select_related("tenant")
        locked = current.get(pk=invitation.pk)
        if problem := obstacle(locked):
            raise InvitationError(problem)
        _require_confirmed(user, locked.email)
        member, is_new = Membership.objects.get_or_create(
            tenant=locked.tenant, user=user, defaults={"role": locked.role}
        )
        locked.accepted_at = timezone.now()
        locked.save(update_fields=["accepted_at"])
        if is_new:
            note(locked.tenant_id, user, "accepted the invitation to", locked.tenant.name, role=locked.role)
    return member


def is_confirmed(user: User, email: str) -> bool:
    """Whether this account has shown that it reads mail at this address."""
    found: bool = EmailAddress.objects.filter(user=user, email=email, verified=True).exists()
    return found


def _require_confirmed(user: User, email: str) -> None:
    if not is_confirmed(user, email):
        raise InvitationError(
            f"This invitation is for {email}. Sign in with the account of this address, or add and confirm the "
            "address in yours."
        )


def _new_token() -> tuple[str, bytes]:
    token = secrets.token_urlsafe(32)
    return token, sha256(token.encode()).digest()


def _clean_email(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvitationError(f"“{email}” is not an email address.") from None
    return email


def _require_right(tenant: Tenant, role: Role, by: User) -> None:
    """Take the tenant's lock and see that who acts is still an admin at least, and gives no role above their own."""
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    member = Membership.objects.filter(tenant=tenant, user=by).first()
    if member is None or not member.can_administer or not Role(member.role).includes(role):
        raise InvitationError("Your role does not allow this. Ask an owner.")


def _require_new(tenant: Tenant, email: str) -> None:
    if Membership.objects.filter(tenant=tenant, user__email=email).exists():
        raise InvitationError(f"{email} is already a member of {tenant}.")
    if open_invitations().filter(email=email).exists():
        raise InvitationError(f"{email} is invited already. You can send the mail again from the list below.")


def _require_room(tenant: Tenant, email: str) -> None:
    """The limit of mails in a day; every invitation counts, so that revoking one makes no room."""
    since = timezone.now() - timedelta(days=1)
    if _mails(Invitation.objects.filter(sent_at__gt=since)) >= TENANT_MAILS_A_DAY:
        raise InvitationError(f"{tenant} has sent {TENANT_MAILS_A_DAY} invitations within a day. Go on tomorrow.")
    with every_tenant():
        to_address = _mails(Invitation.objects.filter(email=email, sent_at__gt=since))
    if to_address >= ADDRESS_MAILS_A_DAY:
        raise InvitationError(f"{email} has been sent many invitations today. Try again tomorrow.")


def _mails(invitations: QuerySet[Invitation]) -> int:
    total: int | None = invitations.aggregate(total=Sum("sends"))["total"]
    return total or 0


def _reload_open(invitation_id: int) -> Invitation:
    found = open_invitations().select_for_update(no_key=True, of=("self",)).select_related("tenant")
    invitation = found.filter(pk=invitation_id).first()
    if invitation is None:
        raise InvitationError(GONE)
    return invitation
