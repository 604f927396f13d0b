"""What people do to their own accounts, in the history of each tenant that they belong to."""

from typing import Any, Final

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, password_changed, password_reset, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed, authenticator_added, authenticator_removed, authenticator_reset

from tenants.audit import note
from tenants.models import Membership, User

_KIND: Final = {Authenticator.Type.TOTP: "authenticator app", Authenticator.Type.RECOVERY_CODES: "recovery codes"}


def tell(user: User, deed: str, subject: str, *, by: User | None = None, **details: str | None) -> None:
    """`by` is who did it, if it was not the user."""
    for tenant_id in Membership.objects.filter(user=user).values_list("tenant", flat=True):
        note(tenant_id, by or user, deed, subject, **details)


def on_log_in(user: User, **_: Any) -> None:
    tell(user, "signed in", "")


def on_new_password(user: User, **_: Any) -> None:
    tell(user, "set a new password for", "their account")


def on_new_email(user: User, from_email_address: EmailAddress | None, to_email_address: EmailAddress, **_: Any) -> None:
    before = from_email_address.email if from_email_address is not None else None
    tell(user, "changed their address to", to_email_address.email, before=before)


def on_added(user: User, authenticator: Authenticator, **_: Any) -> None:
    tell(user, "set up two-factor sign-in:", _KIND.get(authenticator.type, authenticator.type))


def on_removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    tell(user, "removed from two-factor sign-in:", _KIND.get(authenticator.type, authenticator.type))


def on_reset(user: User, authenticator: Authenticator, **_: Any) -> None:
    tell(user, "made anew for two-factor sign-in:", _KIND.get(authenticator.type, authenticator.type))


def on_failed(user: User, **_: Any) -> None:
    tell(user, "entered a wrong code for", "two-factor sign-in")


def connect() -> None:
    for signal, receiver in (
        (user_logged_in, on_log_in),
        (password_changed, on_new_password),
        (password_reset, on_new_password),
        (email_changed, on_new_email),
        (authenticator_added, on_added),
        (authenticator_removed, on_removed),
        (authenticator_reset, on_reset),
        (authentication_failed, on_failed),
    ):
        signal.connect(receiver, dispatch_uid=f"account_trail.{receiver.__name__}")
