"""Staff's view of users, tenants and memberships."""

from typing import Any, ClassVar

# Both register their models when they are imported, which has to be before the models are unregistered here.
import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401
from allauth.account.admin import EmailAddressAdmin as AllauthEmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants import staff_door
from tenants.models import AuditEntry, Erasure, Invitation, Membership, Tenant, User
from tenants.scoping import every_tenant
from tenants.visit_views import link_to_visit

# Staff log in through the product's own page, so that its rate limits and second factor hold for them too.
admin.site.login = staff_door.knock  # type: ignore[method-assign]
admin.site.has_permission = staff_door.may_enter  # type: ignore[method-assign]

# Roles are memberships and staff are superusers: a group would be a third place to look for who may what.
admin.site.unregister(Group)
# Registered once by allauth, in Django's look.
admin.site.unregister(EmailAddress)
# Their rows hold secrets and session keys; manage.py reset_second_factor is the way to take a factor off.
admin.site.unregister(Authenticator)
admin.site.unregister(UserSession)


class NewUserForm(UserCreationForm):  # type: ignore[misc]  # unfold has no types
    class Meta:
        model = User
        fields = ("email",)


class EditUserForm(UserChangeForm):  # type: ignore[misc]  # unfold has no types
    class Meta:
        model = User
        fields = "__all__"


class ReadOnly(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Of every tenant, to be looked at."""

    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> Any:
        with every_tenant():
            return super().get_queryset(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Memberships(TabularInline):  # type: ignore[misc]  # unfold has no types
    """To be looked at: roles are changed by members, on the company's page, with its rules and its history."""

    model = Membership
    readonly_fields = ("created_at",)
    extra = 0
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MembershipsOfTenant(Memberships):
    fields = ("user", "role", "created_at")


class MembershipsOfUser(Memberships):
    fields = ("tenant", "role", "created_at")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # unfold has no types
    form = EditUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    inlines = (MembershipsOfUser,)
    list_display = ("email", "is_active", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "memberships__tenant__name", "memberships__tenant__slug")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),)


@admin.register(Tenant)
class TenantAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    inlines = (MembershipsOfTenant,)
    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug", "memberships__user__email")
    ordering = ("name", "slug")
    fields = ("name", "slug", "created_at", "pages")
    readonly_fields = ("created_at", "pages")

    @admin.display(description="its pages")
    def pages(self, tenant: Tenant) -> str:
        return link_to_visit(tenant.pk, reverse("tenants:overview", args=[tenant.slug])) if tenant.pk else ""

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        """A tenant's slug is in every link that was ever sent: it is chosen once."""
        return self.readonly_fields if obj is None else ("slug", *self.readonly_fields)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No: a cascade erases no captured payloads, and a deleted tenant must leave none behind."""
        return False


@admin.register(Membership)
class MembershipAdmin(ReadOnly):
    list_display = ("user", "tenant", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "tenant")
    search_fields = ("user__email", "tenant__name", "tenant__slug")
    fields = ("user", "tenant", "role", "created_at")


@admin.register(EmailAddress)
class EmailAddressAdmin(AllauthEmailAddressAdmin, ModelAdmin):  # type: ignore[misc]  # neither has types
    autocomplete_fields: ClassVar[tuple[str, ...]] = ("user",)
    raw_id_fields: ClassVar[tuple[str, ...]] = ()


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "tenant", "by_label", "deed", "subject")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "by_label", "subject")
    ordering = ("-pk",)
    fields = ("at", "tenant", "by_label", "deed", "subject", "details")


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    list_display = ("email", "tenant", "role", "invited_by", "sent_at", "accepted_at", "revoked_at")
    list_select_related = ("tenant", "invited_by")
    search_fields = ("email", "tenant__slug")
    ordering = ("-pk",)
    # Without the digest of its token.
    fields = ("email", "tenant", "role", "invited_by", "sends", "sent_at", "expires_at", "accepted_at", "revoked_at")


@admin.register(Erasure)
class ErasureAdmin(ReadOnly):
    """The receipts, also of companies that are gone; without whom they are about, which stands in it until the end."""

    list_display = ("id", "kind", "tenant_name", "subject", "by_label", "asked_at", "done_at")
    list_filter = ("kind",)
    search_fields = ("tenant_name", "by_label")
    ordering = ("-asked_at",)
    fields = ("kind", "tenant_name", "subject", "digest", "counts", "by_label", "asked_at", "begun_at", "done_at")
