from typing import cast

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from tenants import accounts
from tenants.errors import TenantError
from tenants.models import User
from tenants.queries import memberships_of, page_of, receipts_of_last_reader


@login_required
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth ships no types, and there are no stubs of it
@require_http_methods(["GET", "POST"])
def delete_account(request: HttpRequest) -> HttpResponse:
    """Behind the password, or a code: a browser that was left open deletes nothing."""
    user = cast("User", request.user)
    if request.method == "POST":
        try:
            accounts.delete_account(user)
        except TenantError as error:
            messages.error(request, str(error))
            return redirect("tenants:delete_account")
        logout(request)
        messages.success(request, f"The account {user} is deleted.")
        return redirect("account_login")
    context = {
        "memberships": memberships_of(user),
        "why_not": accounts.why_not_deleted(user),
        "page": page_of(receipts_of_last_reader(user), request),
    }
    return render(request, "account/delete.html", context)
