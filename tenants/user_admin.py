"""Staff's admin of people's accounts. What a person does by themselves (address, memberships) is only read here."""

from typing import Any, Final, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserCreationForm

from tenants.account_trail import tell
from tenants.accounts import activate, deactivate, left_without_owner
from tenants.models import User
from tenants.once import sent_once
from tenants.staff_pages import note_for_staff, staff_link

DEEDS: Final = {"deactivate": ("Deactivate", deactivate), "activate": ("Activate", activate)}
DEACTIVATED: Final = (
    "They are signed out everywhere and cannot sign in. Invitations that they have sent are revoked. Nothing is "
    "deleted, and their companies' histories go on naming them."
)
MOST_SHOWN: Final = 10
"""Of the companies of a person, or the people of a company, on the page of one."""


class NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


class EditUserForm(forms.ModelForm):  # type: ignore[type-arg]  # generic to django-stubs alone, not at run time
    """Without Django's field of the password, which shows the beginning of its hash."""

    class Meta:
        model = User
        fields = ("is_staff", "is_superuser")


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Reason, for the history of the person's companies", max_length=200)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # generic to django-stubs alone, not at run time
    form = EditUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "memberships__tenant__name", "memberships__tenant__slug")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("email", "password_state", "active_state", "companies", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password_state", "companies")}),
        ("Rights", {"fields": ("active_state", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        rights = () if request.user.is_superuser else ("is_staff", "is_superuser")
        return (*self.readonly_fields, *rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_change(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """No: an account is deactivated."""
        return False

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        """In the history of the person's companies too: whoever sets a password could sign in with it."""
        changed = [name for part in message for name in part.get("changed", {}).get("fields", [])]
        if changed:
            by = cast("User", request.user)
            tell(obj, "(staff) changed the account of", obj.email, by=by, fields=", ".join(map(str, changed)))
        entry: LogEntry = super().log_change(request, obj, message)
        return entry

    @admin.display(description="password")
    def password_state(self, user: User) -> str:
        state = "Set." if user.has_usable_password() else "None: nobody can sign in with a password."
        return format_html(
            "{} {}", state, staff_link(reverse("admin:auth_user_password_change", args=[user.pk]), "Set another")
        )

    @admin.display(description="active")
    def active_state(self, user: User) -> str:
        deed = "deactivate" if user.is_active else "activate"
        address = reverse("staff_account", args=[user.pk, deed])
        return format_html(
            "{} {}", "Yes." if user.is_active else "No: they cannot sign in.", staff_link(address, DEEDS[deed][0])
        )

    @admin.display(description="companies")
    def companies(self, user: User) -> str:
        members = user.memberships.select_related("tenant").order_by("tenant__name", "pk")[:MOST_SHOWN]
        names = ", ".join(f"{member.tenant} ({member.get_role_display().lower()})" for member in members)
        return format_html("{} {}", names or "None.", list_of_memberships("user", user.pk))


def list_of_memberships(of: str, pk: int) -> SafeString:
    """A link to the list of them all: of a user, or of a tenant."""
    return staff_link(f"{reverse('admin:tenants_membership_changelist')}?{of}__id__exact={pk}", "Show all")


def may_change(request: HttpRequest, user: User) -> bool:
    """Nobody gets at the account of somebody with more rights."""
    return request.user.has_perm("tenants.change_user") and (request.user.is_superuser or not user.is_superuser)


@admin.site.admin_view
@require_http_methods(["GET", "POST"])
@sent_once
def act_on_account(request: HttpRequest, user_id: int, deed: str) -> HttpResponse:
    """Deactivate or activate, after a page that says what it does."""
    user, by = get_object_or_404(User, pk=user_id), cast("User", request.user)
    if deed not in DEEDS:
        raise Http404("There is no such deed.")
    if not may_change(request, user) or user == by:
        raise PermissionDenied
    title, do = DEEDS[deed]
    form = ReasonForm(request.POST if request.method == "POST" else None)
    back = reverse("admin:tenants_user_change", args=[user.pk])
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        do(user, reason, by=by)
        note_for_staff(user, by, f"{title}: {reason}")
        messages.success(request, f"{user}: {title.lower()}d.")
        return redirect(back)
    context = {
        **admin.site.each_context(request), "title": f"{title}: {user}", "notes": _consequences(user, deed),
        "form": form, "submit": title, "back": back,
    }  # fmt: skip
    return render(request, "admin/staff/account.html", context)


def _consequences(user: User, deed: str) -> list[str]:
    if deed == "activate":
        return ["They can sign in again, and are in their companies what they were. Invitations stay revoked."]
    alone = left_without_owner(user)[: MOST_SHOWN + 1]
    names = [str(tenant) for tenant in alone[:MOST_SHOWN]] + ["others"] * (len(alone) > MOST_SHOWN)
    return [
        DEACTIVATED,
        *([f"Left without an owner who can sign in: {', '.join(names)}."] if names else []),
    ]
