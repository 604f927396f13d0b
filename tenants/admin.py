"""Staff's view of tenants, memberships and what hangs on them. Users are in tenants/user_admin.py."""

from typing import Any, ClassVar, Final

# All register their models when they are imported, which has to be before the models are unregistered here.
import allauth.account.admin
import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401  # imported for what it registers
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from tenants import staff_door
from tenants.exports.models import Export
from tenants.models import AuditEntry, Erasure, Invitation, Membership, Tenant
from tenants.queries import members_of
from tenants.scoping import every_tenant
from tenants.staff_pages import InfinitePaginator
from tenants.user_admin import MOST_SHOWN, list_of_memberships
from tenants.visit_views import link_to_visit

# Staff log in, and change their password, on the product's own pages: the limits and second factor are theirs too.
admin.site.login = staff_door.knock  # type: ignore[method-assign]  # a site of our own would lack what others register
admin.site.password_change = staff_door.change_password  # type: ignore[method-assign,assignment]  # a site of our own would lack what others register; a redirect is no TemplateResponse
admin.site.has_permission = staff_door.may_enter  # type: ignore[method-assign]  # a site of our own would lack what others register

# Roles are memberships and staff are superusers: a group would be a third place to look for who may what.
admin.site.unregister(Group)
# Registered once by allauth, in Django's look.
admin.site.unregister(EmailAddress)
# Their rows hold secrets and session keys; manage.py reset_second_factor is the way to take a factor off.
admin.site.unregister(Authenticator)
admin.site.unregister(UserSession)

NEWEST_ENTRIES: Final = 50_000
"""Of the histories, looked through for a search: 0.1 s for two words."""


class ReadOnly(ModelAdmin):
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


@admin.register(Tenant)
class TenantAdmin(ReadOnly):
    """Made with an owner, on a page or by manage.py create_tenant. Its admins rename it: its history says so."""

    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug", "memberships__user__email")
    ordering = ("name", "slug")
    fields = ("name", "slug", "created_at", "people", "pages")
    readonly_fields = ("people", "pages")

    @admin.display(description="members")
    def people(self, tenant: Tenant) -> str:
        """To be looked at: roles are changed by members, on the company's page, with its rules and its history."""
        first = members_of(tenant)[:MOST_SHOWN]
        names = ", ".join(f"{member.user} ({member.get_role_display().lower()})" for member in first)
        return format_html("{} {}", names or "None.", list_of_memberships("tenant", tenant.pk))

    @admin.display(description="its pages")
    def pages(self, tenant: Tenant) -> str:
        return link_to_visit(tenant.pk, reverse("tenants:overview", args=[tenant.slug]))


@admin.register(Membership)
class MembershipAdmin(ReadOnly):
    list_display = ("user", "tenant", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "tenant")
    search_fields = ("user__email", "tenant__name", "tenant__slug")
    fields = ("user", "tenant", "role", "created_at")


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnly):
    """An address opens an account, by its forgotten password: nobody but its person adds or confirms one."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    list_select_related = ("user",)
    search_fields = ("email", "user__email")
    fields = ("user", "email", "primary", "verified")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "tenant", "by_label", "deed", "subject")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "by_label", "subject")
    search_help_text = f"Tenant (slug), person or subject, among the newest {NEWEST_ENTRIES:,}"
    ordering = ("-pk",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    paginator = InfinitePaginator
    fields = ("at", "tenant", "by_label", "deed", "subject", "details")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Parts of words have no index, and the histories of all tenants together are long."""
        if search_term:
            newest = queryset.order_by("-pk").values_list("pk", flat=True).first() or 0
            queryset = queryset.filter(pk__gt=newest - NEWEST_ENTRIES)
        found: tuple[Any, bool] = super().get_search_results(request, queryset, search_term)
        return found


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


@admin.register(Export)
class ExportAdmin(ReadOnly):
    """How exports get on. Their files are for owners alone."""

    list_display = ("asked_at", "tenant", "by_label", "state", "rows_done", "bytes", "moved_at", "expires_at")
    list_filter = ("state",)
    list_select_related = ("tenant",)
    search_fields = ("tenant__name", "tenant__slug", "by_label")
    ordering = ("-asked_at",)
    fields = (
        *("tenant", "by_label", "state", "reason", "rows_done", "rows_expected", "bytes", "tries"),
        *("asked_at", "moved_at", "ended_at", "expires_at"),
    )
