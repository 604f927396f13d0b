from typing import Any

from django.contrib import admin

from integrations.staff_admin import NOTHING, StaffAdmin, link


class OfSource(StaffAdmin):
    """A row of a source: the columns that all of them share."""

    @admin.display(description="tenant")
    def tenant_link(self, obj: Any) -> str:
        return link(obj.source.tenant if obj.source else None)

    @admin.display(description="source")
    def source_link(self, obj: Any) -> str:
        return link(obj.source)

    @admin.display(description="region")
    def region_name(self, obj: Any) -> str:
        return obj.source.get_region_display() if obj.source else NOTHING
