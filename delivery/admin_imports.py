"""Staff's view of the files of history, and of how far they came."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from delivery import admin_search
from delivery.admin_columns import OfSource
from delivery.importing.models import FileImport
from integrations.staff_admin import WithinFilter, at, badge


class EndFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("begun", "Begun"), ("done", "Done")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "begun":
                return queryset.filter(finished_at=None)
            case "done":
                return queryset.exclude(finished_at=None)
            case _:
                return queryset


@admin.register(FileImport)
class FileImportAdmin(OfSource):
    time_field = "started_at"
    list_display = (
        "file_name",
        "tenant_link",
        "source_link",
        "state",
        "rows_captured",
        "rows_there",
        "refused",
        "started",
    )
    list_filter = (EndFilter, WithinFilter)
    list_select_related = ("source__tenant",)
    search_fields = ("file_name",)
    search_help_text = "Name of the file or of the source, tenant (name or slug)"
    fields = (
        ("file_name", "state"),
        ("tenant_link", "source_link"),
        ("size", "line"),
        ("rows_captured", "rows_there"),
        ("refused", "requested_by"),
        ("started", "finished"),
    )
    readonly_fields = (
        "tenant_link",
        "source_link",
        "state",
        "size",
        "rows_captured",
        "rows_there",
        "started",
        "finished",
    )

    def search_condition(self, term: str) -> Q:
        return Q(file_name__icontains=term) | admin_search.source_condition(term)

    @admin.display(description="state")
    def state(self, record: FileImport) -> str:
        if record.finished_at:
            return badge("Done", "success")
        return badge(f"{record.position / record.file_bytes:.0%}" if record.file_bytes else "Begun", "info")

    @admin.display(description="captured")
    def rows_captured(self, record: FileImport) -> str:
        return f"{record.captured:,}"

    @admin.display(description="were there before")
    def rows_there(self, record: FileImport) -> str:
        return f"{record.duplicates:,}"

    @admin.display(description="read")
    def size(self, record: FileImport) -> str:
        return f"{record.position:,} of {record.file_bytes:,} bytes"

    @admin.display(description="began (UTC)")
    def started(self, record: FileImport) -> str:
        return at(record.started_at)

    @admin.display(description="done (UTC)")
    def finished(self, record: FileImport) -> str:
        return at(record.finished_at)
