"""Staff's view of what is wrong with sources and whom it was told to, and of sources on their way out of the shadow."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from delivery import admin_search
from delivery.admin_columns import OfSource
from delivery.alerts.enums import IncidentKind, MailState, Phase
from delivery.alerts.models import AlertMail, Incident
from delivery.shadow_models import GoingLive
from integrations.staff_admin import NOTHING, StaffAdmin, WithinFilter, at, badge, link, table_card, tenants_named

MAIL_COLOURS = {MailState.SENT: "success", MailState.WAITING: "info", MailState.GIVEN_UP: "danger"}


@admin.register(Incident)
class IncidentAdmin(OfSource):
    time_field = "opened_at"
    list_display = ("__str__", "tenant_link", "source_link", "state_badge", "reason", "opened", "told", "closed")
    list_filter = ("kind", ("closed_at", admin.EmptyFieldListFilter), WithinFilter)
    list_select_related = ("source__tenant",)
    search_fields = ("source",)
    search_help_text = "Name of the source, tenant (name or slug)"
    fields = (("source_link", "tenant_link"), ("kind", "state_badge"), "reason", ("opened", "told"), "closed")
    readonly_fields = ("source_link", "tenant_link", "state_badge", "opened", "told", "closed")

    def search_condition(self, term: str) -> Q:
        return admin_search.source_condition(term)

    @admin.display(description="state")
    def state_badge(self, incident: Incident) -> str:
        return badge("Over") if incident.closed_at else badge("Wrong now", "danger")

    @admin.display(description="began (UTC)")
    def opened(self, incident: Incident) -> str:
        return at(incident.opened_at)

    @admin.display(description="told (UTC)")
    def told(self, incident: Incident) -> str:
        return at(incident.told_at)

    @admin.display(description="over (UTC)")
    def closed(self, incident: Incident) -> str:
        return at(incident.closed_at)


@admin.register(AlertMail)
class AlertMailAdmin(StaffAdmin):
    """To one member each. The page has what the alert is about."""

    list_display = ("__str__", "tenant_link", "to", "state_badge", "tries", "next_try", "error")
    list_filter = ("state",)
    list_select_related = ("alert__tenant", "membership__user")
    search_fields = ("membership",)
    search_help_text = "Email address of the member, tenant (name or slug)"
    fields = (("tenant_link", "to"), ("state", "written"), ("tries", "next_try"), "error")
    readonly_fields = ("tenant_link", "to", "written", "next_try")

    def search_condition(self, term: str) -> Q:
        return Q(membership__user__email=term.lower()) | Q(alert__tenant_id__in=tenants_named(term))

    @admin.display(description="tenant")
    def tenant_link(self, mail: AlertMail) -> str:
        return link(mail.alert.tenant)

    @admin.display(description="to")
    def to(self, mail: AlertMail) -> str:
        return link(mail.membership.user)

    @admin.display(description="state")
    def state_badge(self, mail: AlertMail) -> str:
        return badge(mail.get_state_display(), MAIL_COLOURS.get(MailState(mail.state), ""))

    @admin.display(description="alert made (UTC)")
    def written(self, mail: AlertMail) -> str:
        return at(mail.alert.created_at)

    @admin.display(description="not before (UTC)")
    def next_try(self, mail: AlertMail) -> str:
        return at(mail.not_before) if mail.state == MailState.WAITING else NOTHING

    def cards_after(self, request: HttpRequest, obj: Any) -> Iterable[dict[str, Any]]:
        rows = [
            [Phase(each["phase"]).label, IncidentKind(each["kind"]).label, each["source"], each["reason"]]
            for each in obj.alert.items
        ]
        yield table_card(
            "What the alert tells; a mail has what its member chose",
            ["How it stands", "What", "Source", "Reason"],
            rows,
        )


@admin.register(GoingLive)
class GoingLiveAdmin(OfSource):
    """Gone when the source sends."""

    ordering = ("source_id",)
    list_display = ("__str__", "tenant_link", "source_link", "requested_by", "asked", "left_out")
    list_select_related = ("source__tenant",)
    search_fields = ("source",)
    search_help_text = "Name of the source, tenant (name or slug)"
    fields = (("source_link", "tenant_link"), ("requested_by", "asked"), ("first_id", "end_id"), "left_out")
    readonly_fields = ("source_link", "tenant_link", "asked")

    def search_condition(self, term: str) -> Q:
        return admin_search.source_condition(term)

    @admin.display(description="asked (UTC)")
    def asked(self, going: GoingLive) -> str:
        return at(going.requested_at)
