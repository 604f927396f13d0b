"""Staff's view of what holds delivery back."""

from typing import Final

from django.contrib import admin
from django.db.models import Q
from django.utils import timezone

from delivery import admin_search
from delivery.admin_columns import OfSource
from delivery.admin_states import COLOURS
from delivery.models import Lane, Pending, RateHold, RetentionWarning
from integrations.staff_admin import NOTHING, StaffAdmin, WithinFilter, at, badge

MOST_WAITING: Final = 10_000
"""Counted no further."""


@admin.register(Lane)
class LaneAdmin(OfSource):
    time_field = "last_accepted_at"
    ordering = ("source_id",)
    list_display = ("source_name", "tenant_link", "region_name", "hold_badge", "failures", "pause", "last_accepted")
    list_filter = ("hold", "source__region")
    list_select_related = ("source__tenant",)
    search_fields = ("source",)
    search_help_text = "Name of the source, tenant (name or slug)"
    fields = (
        ("source_link", "tenant_link"),
        ("region_name", "waiting"),
        ("hold", "held"),
        "hold_reason",
        ("failures", "rejections"),
        ("pause", "lease"),
        ("accepted_version", "last_accepted"),
    )
    readonly_fields = (
        "source_link",
        "tenant_link",
        "region_name",
        "waiting",
        "held",
        "pause",
        "lease",
        "last_accepted",
    )

    def search_condition(self, term: str) -> Q:
        return admin_search.source_condition(term)

    @admin.display(description="lane of")
    def source_name(self, lane: Lane) -> str:
        return lane.source.name

    @admin.display(description="hold")
    def hold_badge(self, lane: Lane) -> str:
        return badge(lane.get_hold_display(), COLOURS[lane.hold]) if lane.hold else NOTHING

    @admin.display(description="not before (UTC)")
    def pause(self, lane: Lane) -> str:
        return at(lane.not_before)

    @admin.display(description="held since (UTC)")
    def held(self, lane: Lane) -> str:
        return at(lane.held_at)

    @admin.display(description="leased until (UTC)")
    def lease(self, lane: Lane) -> str:
        return at(lane.leased_until)

    @admin.display(description="last accepted (UTC)")
    def last_accepted(self, lane: Lane) -> str:
        return at(lane.last_accepted_at)

    @admin.display(description="waiting")
    def waiting(self, lane: Lane) -> str:
        waiting = Pending.objects.filter(source_id=lane.pk)[: MOST_WAITING + 1].count()
        return f"more than {MOST_WAITING:,}" if waiting > MOST_WAITING else f"{waiting:,}"


@admin.register(RateHold)
class RateHoldAdmin(StaffAdmin):
    """Named by the HMAC of write key and region, which tells neither."""

    ordering = ("-until",)
    list_display = ("key", "until_time", "state_badge")
    search_fields = ("key_id",)
    search_help_text = "Beginning of the key's HMAC"
    fields = ("key", "until_time")
    readonly_fields = fields

    def search_condition(self, term: str) -> Q:
        return Q(key_id__startswith=term.rstrip("…"))

    @admin.display(description="key (HMAC)")
    def key(self, hold: RateHold) -> str:
        return f"{hold.key_id[:16]}…"

    @admin.display(description="until (UTC)")
    def until_time(self, hold: RateHold) -> str:
        return at(hold.until)

    @admin.display(description="state")
    def state_badge(self, hold: RateHold) -> str:
        return badge("Holds", "warning") if hold.until > timezone.now() else badge("Over")


@admin.register(RetentionWarning)
class RetentionWarningAdmin(OfSource):
    """What was told to a tenant before events of theirs expire."""

    time_field = "warned_at"
    list_display = ("__str__", "tenant_link", "source_link", "warned", "expires", "ended")
    list_filter = ("number", WithinFilter)
    list_select_related = ("source__tenant",)
    search_fields = ("source",)
    search_help_text = "Name of the source, tenant (name or slug)"
    fields = (
        ("source_link", "tenant_link"),
        ("number", "warned"),
        ("waiting", "set_aside", "quarantined"),
        ("oldest", "expires"),
        "ended",
    )
    readonly_fields = ("source_link", "tenant_link", "warned", "oldest", "expires", "ended")

    def search_condition(self, term: str) -> Q:
        return admin_search.source_condition(term)

    @admin.display(description="warned (UTC)")
    def warned(self, warning: RetentionWarning) -> str:
        return at(warning.warned_at)

    @admin.display(description="oldest captured (UTC)")
    def oldest(self, warning: RetentionWarning) -> str:
        return at(warning.oldest_at)

    @admin.display(description="not before (UTC)")
    def expires(self, warning: RetentionWarning) -> str:
        return at(warning.expires_at)

    @admin.display(description="ended (UTC)")
    def ended(self, warning: RetentionWarning) -> str:
        return at(warning.ended_at)
