"""Inviting people, and the page on which somebody who was invited accepts."""

from http import HTTPStatus

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.errors import InvitationError
from tenants.forms import InvitationForm
from tenants.invitations import (
    GONE,
    accept_invitation,
    find_invitation,
    invite,
    is_confirmed,
    obstacle,
    open_invitations,
    revoke_invitation,
    send_again,
)
from tenants.mails import NOT_TAKEN
from tenants.models import Invitation, Membership, User
from tenants.once import NothingDone, sent_once
from tenants.queries import page_of

SESSION_KEY = "invitation_token"

NOT_SENT = "The invitation stands, but the mail server did not take the mail. Send it again in a few minutes."


@tenant_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def invitations(request: TenantRequest) -> HttpResponseBase:
    try:
        response = _invitations(request)
    except NOT_TAKEN:
        # The mail leaves after the commit: the invitation stands.
        messages.warning(request, NOT_SENT)
        return redirect("tenants:invitations", request.tenant.slug)
    if response.status_code == HTTPStatus.FOUND:
        messages.success(request, f"{request.POST['email']} is invited: the mail is on its way.")
    return response


@sent_once
def _invitations(request: TenantRequest) -> HttpResponseBase:
    form = InvitationForm(request.POST or None, giver=request.membership)
    if form.is_valid() and _is_invited(request, form):
        return redirect("tenants:invitations", request.tenant.slug)
    rows = open_invitations().select_related("invited_by").order_by("-sent_at", "-pk")
    return render(request, "tenants/invitations.html", {"form": form, "page": page_of(rows, request)})


def _is_invited(request: TenantRequest, form: InvitationForm) -> bool:
    """Whether there is an invitation now; if there is none, the form says why."""
    try:
        invite(request.tenant, form.cleaned_data["email"], form.cleaned_data["role"], by=request.user)
    except InvitationError as error:
        form.add_error("email", str(error))
        return False
    return True


@tenant_view(Role.ADMIN)
@require_POST
def resend(request: TenantRequest, invitation_id: int) -> HttpResponseBase:
    invitation = _find_open(invitation_id)
    if invitation is None:
        return _refused(request, GONE)
    try:
        send_again(invitation, by=request.user)
    except InvitationError as error:
        return _refused(request, str(error))
    except NOT_TAKEN:
        messages.warning(request, NOT_SENT)
    else:
        messages.success(request, f"A new link is on its way to {invitation.email}; the old one is worthless now.")
    return redirect("tenants:invitations", request.tenant.slug)


@tenant_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
@sent_once
def revoke(request: TenantRequest, invitation_id: int) -> HttpResponseBase:
    invitation = _find_open(invitation_id)
    if invitation is None:
        return _refused(request, GONE)
    if request.method != "POST":
        return render(request, "tenants/revoke.html", {"invitation": invitation})
    try:
        revoke_invitation(invitation, by=request.user)
    except InvitationError as error:
        return _refused(request, str(error))
    messages.success(request, f"The invitation of {invitation.email} is revoked.")
    return redirect("tenants:invitations", request.tenant.slug)


def _find_open(invitation_id: int) -> Invitation | None:
    """None also when it was accepted or revoked a moment ago: the list was older than that."""
    return open_invitations().select_related("tenant").filter(pk=invitation_id).first()


def _refused(request: TenantRequest, why: str) -> HttpResponse:
    messages.error(request, why)
    return NothingDone(reverse("tenants:invitations", args=[request.tenant.slug]))


@never_cache
@require_safe
def invitation_link(request: HttpRequest, token: str) -> HttpResponse:
    """Take the token off the address at once: addresses end in histories, logs and Referer headers.

    HEAD is a scanner of mails, which has no use for a session.
    """
    if request.method == "GET":
        request.session[SESSION_KEY] = token
    return redirect("tenants:invitation")


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Show the invitation that this browser came with; by POST, accept it."""
    found = find_invitation(request.session.get(SESSION_KEY, ""))
    problem = (
        obstacle(found) if found else "This invitation link does not work: it was replaced by a newer one, or cut."
    )
    if found is not None and problem and _is_member(found, request.user):
        # Sent twice, or the link of the mail opened again: it has done what it was for.
        return redirect("tenants:overview", found.tenant.slug)
    if found is None or problem:
        return render(request, "tenants/invitation_closed.html", {"problem": problem}, status=410)
    user = request.user
    if not isinstance(user, User):
        # Who has the link reads mail at the address: the sign-up need not ask for that again.
        get_adapter(request).stash_verified_email(request, found.email)
        return render(request, "tenants/invitation.html", {"invitation": found, "role": Role(found.role)})
    if request.method == "POST":
        return _accept(request, found, user)
    context = {"invitation": found, "role": Role(found.role), "is_confirmed": is_confirmed(user, found.email)}
    return render(request, "tenants/invitation.html", context)


def _accept(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    try:
        accept_invitation(found, user)
    except InvitationError as error:
        if not _is_member(found, user):
            messages.error(request, str(error))
        return redirect("tenants:invitation")
    messages.success(request, f"Welcome to {found.tenant}.")
    return redirect("tenants:overview", found.tenant.slug)


def _is_member(found: Invitation, user: AbstractBaseUser | AnonymousUser) -> bool:
    return user.is_authenticated and Membership.objects.filter(tenant=found.tenant_id, user_id=user.pk).exists()
