"""The door to the staff admin: the product's own log-in, and a second factor shown in this very session.

Whether it was shown is kept in the session, so a request costs no query, and a session from before the factor was set
up has to show it too.
"""

from typing import Any, Final

from allauth.account.decorators import secure_admin_login
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_used
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from tenants.models import User

SHOWN: Final = "second_factor_shown_by"
"""The session's record of whose second factor was shown in it."""


def may_enter(request: HttpRequest) -> bool:
    """AdminSite.has_permission: for staff who have shown a second factor, where the installation asks for one."""
    user = request.user
    if not isinstance(user, User) or not user.is_active or not user.is_staff:
        return False
    return has_shown_second_factor(request) or not settings.REQUIRE_STAFF_MFA


def has_shown_second_factor(request: HttpRequest) -> bool:
    return request.user.pk is not None and bool(request.session.get(SHOWN) == request.user.pk)


def knock(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG001  # AdminSite hands it to its log-in
    """AdminSite.login: where the admin sends everybody whom it does not let in, to what they lack."""
    user = request.user
    if not isinstance(user, User) or not user.is_staff or not user.is_active:
        refusal: HttpResponse = _to_log_in_or_refusal(request)
        return refusal
    if may_enter(request):
        return redirect("admin:index")
    if is_mfa_enabled(user, [Authenticator.Type.TOTP]):
        return redirect(f"{reverse('mfa_reauthenticate')}?next={reverse('admin:index')}")
    messages.warning(request, "The staff admin opens for accounts with two-factor sign-in. Set it up now.")
    return redirect("mfa_activate_totp")


def change_password(_request: HttpRequest) -> HttpResponse:
    """AdminSite.password_change: the product's own page limits the tries, and tells the person and the history."""
    return redirect("account_change_password")


# Never called: secure_admin_login redirects or refuses everybody who gets here.
_to_log_in_or_refusal = secure_admin_login(admin.site.login)


def remember_shown(request: HttpRequest, user: User, **_: Any) -> None:
    """Entered at log-in or since, or just set up, which takes a code too."""
    request.session[SHOWN] = user.pk


def forget_shown(request: HttpRequest, user: User, **_: Any) -> None:
    """With the last factor the other sessions go, too: each has its own record of a factor that is no more."""
    request.session.pop(SHOWN, None)
    if not is_mfa_enabled(user):
        others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
        get_adapter().end_sessions(others)


def connect() -> None:
    authenticator_used.connect(remember_shown, dispatch_uid="staff_door_used")
    authenticator_added.connect(remember_shown, dispatch_uid="staff_door_added")
    authenticator_removed.connect(forget_shown, dispatch_uid="staff_door_removed")
