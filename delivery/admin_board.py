"""The staff's board: all sources by how they fare, to be filtered by place and searched."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.views.decorators.http import require_GET

from delivery.board import MOST_COUNTED, Place, Row, board
from integrations.models import Source
from integrations.staff_admin import at, badge, link, table_card
from tenants.models import Tenant
from tenants.queries import ROWS_PER_PAGE, searched

HEADERS = ["Source", "Tenant", "Region", "State", "Reason", "Since (UTC)", "Waiting", "Oldest (UTC)"]

COLOURS = {
    Place.HELD: "danger",
    Place.FAILING: "danger",
    Place.BACKLOG: "warning",
    Place.UNVERIFIED: "warning",
    Place.SHADOW: "info",
    Place.WORKING: "success",
}


@admin.site.admin_view
@require_GET
def staff_board(request: HttpRequest) -> HttpResponse:
    """`?state=` one of Place, `?q=` a part of a name. Two queries beside the session's, however many there are."""
    if not request.user.has_perm("integrations.view_source"):
        raise PermissionDenied
    search, wanted = searched(request), request.GET.get("state", "")
    place = Place(wanted) if wanted in Place.values else None
    found = board(search)
    page = Paginator(found.at(place), ROWS_PER_PAGE).get_page(request.GET.get("page"))
    cells = [_cells(row) for row in found.rows(list(page))]
    context = {
        **admin.site.each_context(request), "title": "Sources by state", "search": search, "page": page,
        "place": place, "counts": found.counts.items(), "total": len(found.places),
        "cards": [table_card(place.label if place else "All sources", HEADERS, cells)],
    }  # fmt: skip
    return render(request, "admin/staff/board.html", context)


def _cells(row: Row) -> list[Any]:
    return [
        link(Source(pk=row.source_id), row.source),
        link(Tenant(pk=row.tenant_id), row.tenant),
        row.region.upper(),
        badge(row.place.label, COLOURS.get(row.place, "")),
        # On a phone the table scrolls, and a column of sentences would be one word wide.
        format_html('<div class="min-w-52">{}</div>', row.reason),
        at(row.since),
        f"more than {MOST_COUNTED:,}" if row.waiting > MOST_COUNTED else f"{row.waiting:,}",
        at(row.oldest_at),
    ]
