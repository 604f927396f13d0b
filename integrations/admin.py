from collections.abc import Iterable
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from integrations import admin_people  # noqa: F401  # imported for its @admin.register
from integrations.enums import SourceState
from integrations.models import Source
from integrations.staff_admin import NOTHING, StaffAdmin, WithinFilter, at, badge, link, related, tenants_named
from tenants.visit_views import link_to_visit

SOURCE_COLOURS: Final[dict[str, str]] = {
    SourceState.CONNECTED: "success",
    SourceState.PAUSED: "warning",
    SourceState.SHADOW: "info",
}


@admin.register(Source)
class SourceAdmin(StaffAdmin):
    """Sources without their write keys: of those, the last four characters and the fingerprint."""

    time_field = "changed_at"
    list_display = ("name", "tenant_link", "region", "state_badge", "write_key_hint", "version", "changed")
    list_filter = ("state", "region", WithinFilter)
    list_select_related = ("tenant", "write_key")
    search_fields = ("name",)
    search_help_text = "Name of the source, tenant (name or slug), fingerprint of the write key"
    fields: Iterable[Any] = (
        ("name", "tenant_link"),
        ("region", "state"),
        ("write_key_hint", "version"),
        ("created", "changed"),
        "pages",
    )
    readonly_fields = ("tenant_link", "write_key_hint", "created", "changed", "pages")

    def search_condition(self, term: str) -> Q:
        return Q(name__icontains=term) | Q(write_key__fingerprint=term.lower()) | Q(tenant__in=tenants_named(term))

    @admin.display(description="tenant")
    def tenant_link(self, source: Source) -> str:
        return link(source.tenant)

    @admin.display(description="state")
    def state_badge(self, source: Source) -> str:
        return badge(source.get_state_display(), SOURCE_COLOURS.get(source.state, ""))

    @admin.display(description="write key")
    def write_key_hint(self, source: Source) -> str:
        key = related(source, "write_key")
        return f"…{key.last_four} (fingerprint {key.fingerprint})" if key else NOTHING

    @admin.display(description="created (UTC)")
    def created(self, source: Source) -> str:
        return at(source.created_at)

    @admin.display(description="changed (UTC)")
    def changed(self, source: Source) -> str:
        return at(source.changed_at)

    @admin.display(description="its pages")
    def pages(self, source: Source) -> str:
        return link_to_visit(source.tenant_id, reverse("integrations:source", args=[source.tenant.slug, source.pk]))

    def cards_after(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        """Where its events, batches and attempts are; delivery adds them, which this app knows nothing of."""
        return [make(obj) for make in SOURCE_CARDS]


SOURCE_CARDS: Final[list[Any]] = []
"""Functions Source -> card, by the apps above."""
