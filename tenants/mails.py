"""The mails about who belongs to a tenant. Each leaves after the transaction that it tells of has committed."""

from typing import Any, Final

from anymail.exceptions import AnymailError
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from tenants.enums import Role
from tenants.exports.models import Export
from tenants.models import Invitation, Tenant, User

NOT_TAKEN: Final = (OSError, AnymailError)
"""What a mail server and an email provider raise that do not take a mail, or do not answer."""


def send_invitation(invitation: Invitation, token: str, by: User) -> None:
    """The only place where the token is written down."""
    link = reverse("tenants:invitation_link", args=[token])
    _send_after_commit(
        invitation.email,
        f"{by.email} invites you to {invitation.tenant}",
        "invitation",
        invitation=invitation,
        role=Role(invitation.role).label.lower(),
        by=by.email,
        link=f"{settings.SITE_URL}{link}",
    )


def tell_role_changed(tenant: Tenant, user: User, role: Role, by: User) -> None:
    subject = f"You are {role.label.lower()} of {tenant} now"
    _send_after_commit(user.email, subject, "role_changed", tenant=tenant, role=role.label.lower(), by=by.email)


def tell_removed(tenant: Tenant, user: User) -> None:
    _send_after_commit(user.email, f"You are no longer a member of {tenant}", "removed", tenant=tenant)


def tell_ownership(tenant: Tenant, new: User, old: User) -> None:
    """To both: the old owner may not have done it."""
    for user in (new, old):
        _send_after_commit(
            user.email, f"{new.email} is the owner of {tenant} now", "ownership", tenant=tenant, new=new, old=old
        )


def tell_account_deleted(user: User) -> None:
    """Its person may not have done it."""
    support = settings.SUPPORT_EMAIL
    _send_after_commit(user.email, "Your account is deleted", "account_deleted", email=user.email, support=support)


def tell_export_ready(export: Export) -> None:
    link = reverse("tenants:export_file", args=[export.tenant.slug, export.token])
    _tell_of_export(export, f"The data of {export.tenant} is ready to be downloaded", "export_ready", link=link)


def tell_export_failed(export: Export) -> None:
    _tell_of_export(export, f"The data of {export.tenant} could not be exported", "export_failed")


def _tell_of_export(export: Export, subject: str, template: str, **context: Any) -> None:
    _send_after_commit(export.by_label, subject, template, tenant=export.tenant, export=export, **context)


def _send_after_commit(to: str, subject: str, template: str, **context: Any) -> None:
    """An invitation that cannot be sent is the sender's to know; the other mails tell of what is done already."""
    text = render_to_string(f"tenants/mails/{template}.txt", {**context, "site": settings.SITE_URL})
    # A company's name is in the subject: a line break in it would be a header of the sender's choice.
    line = " ".join(subject.split())
    html = as_html(line, text)

    # Not a partial: when it fails, Django looks for the name of what did, and that is an error of its own.
    def send() -> None:
        send_mail(line, text, None, [to], html_message=html)

    transaction.on_commit(send, robust=template != "invitation")


def as_html(subject: str, text: str) -> str:
    """The same mail with links to click. Only our own are: an address in a company's name stays text."""
    paragraphs = [(part, part.startswith(f"{settings.SITE_URL}/")) for part in text.strip().split("\n\n")]
    return render_to_string("email/text.html", {"subject": subject, "paragraphs": paragraphs})
