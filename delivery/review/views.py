"""The reviewers' checklist as a page: for a tenant's owners and admins, and for staff over any tenant."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from delivery.models import Event
from delivery.review.calls import from_everyone, from_tenant
from delivery.review.checklist import Point, Report, Sighting, Verdict, review
from integrations.enums import IdentityMode
from integrations.models import Source
from integrations.staff_admin import NOTHING, badge, list_link, table_card, text_card
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.models import Tenant

SPANS: Final = (1, 7, 30)
"""Days that the pages offer to look back."""

SOURCES_SHOWN: Final = 10
"""Of those that send an anonymousId."""

MOST: Final = 2_000
"""Events that a page looks at, the newest: a third of a second. The command looks at all."""

COLOURS: Final = {Verdict.PASS: "success", Verdict.FAIL: "danger", Verdict.NOT_SEEN: "info"}


@tenant_view(Role.ADMIN)
@require_GET
def tenant_review(request: TenantRequest) -> HttpResponseBase:
    days = _days(request)
    report = review(from_tenant(request.tenant.pk, _since(days), MOST))
    rows = [(point, pretty(point.example)) for point in report.points]
    # A decision of the tenant's, and the reason when point 1 fails.
    opted_in = list(Source.objects.exclude(identity=IdentityMode.USER_ID).order_by("name")[: SOURCES_SHOWN + 1])
    context = {
        "report": report, "rows": rows, "days": days, "spans": SPANS, "most": MOST,
        "opted_in": opted_in[:SOURCES_SHOWN], "others_opted_in": len(opted_in) > SOURCES_SHOWN,
    }  # fmt: skip
    return render(request, "delivery/review.html", context)


@admin.site.admin_view
@require_GET
def staff_review(request: HttpRequest) -> HttpResponse:
    """Of one tenant (`?tenant=SLUG`), or of all together."""
    if not request.user.has_perm("delivery.view_event"):
        raise PermissionDenied
    slug, days = request.GET.get("tenant", ""), _days(request)
    report = review(_seen_by_staff(slug, _since(days)))
    of = f"tenant {slug}" if slug else "all tenants"
    context = {
        **admin.site.each_context(request),
        "title": f"Review of {of}",
        "slug": slug,
        "days": days,
        "spans": SPANS,
        "cards": [_card(report, days), *_example_cards(report)],
    }
    return render(request, "admin/staff/review.html", context)


def pretty(example: Sighting | None) -> str:
    return json.dumps(example.call, indent=2, ensure_ascii=False) if example else ""


def _seen_by_staff(slug: str, since: datetime) -> Iterator[Sighting]:
    if not slug:
        return from_everyone(since, MOST)
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise Http404("There is no such tenant.")
    return from_tenant(tenant.pk, since, MOST)


def _card(report: Report, days: int) -> dict[str, Any]:
    events = "1 event" if report.looked_at == 1 else f"{report.looked_at:,} events"
    title = f"{events} of {_span(days)}; the newest {MOST:,} at most are looked at"
    rows = [_row(point) for point in report.points]
    return table_card(title, ["Point", "Result", "What", "How it stands", "Example"], rows)


def _row(point: Point) -> list[object]:
    result = badge(str(point.verdict).capitalize(), COLOURS[point.verdict])
    example = (
        list_link(Event, point.example.call.get("event") or "A call", q=point.example.where)
        if point.example
        else NOTHING
    )
    return [point.number, result, point.title, point.detail, example]


def _example_cards(report: Report) -> list[dict[str, Any]]:
    failed = [point for point in report.points if point.verdict is Verdict.FAIL and point.example]
    return [text_card(f"The call that failed point {point.number}", pretty(point.example)) for point in failed]


def _span(days: int) -> str:
    return "the last day" if days == 1 else f"the last {days} days"


def _days(request: HttpRequest) -> int:
    asked = request.GET.get("days", "")
    return int(asked) if asked in map(str, SPANS) else SPANS[-1]


def _since(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)
