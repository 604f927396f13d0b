"""Run the checklist of Segment's reviewers."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from delivery.review.calls import from_everyone, from_mappings, from_tenant
from delivery.review.checklist import Point, Report, Sighting, review
from tenants.models import Tenant

MOST_DAYS: Final = 3_650


class Command(BaseCommand):
    help = (
        "Run the checklist of Segment's reviewers over what was captured, newest first, or over the mappings. Every "
        "event of the span is looked at, through a server-side cursor. Exits with 1 when a point fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=30, metavar="N", help="how far to look back (default: 30)")
        parser.add_argument("--tenant", metavar="SLUG", help="only what was captured for this tenant")
        parser.add_argument("--mappings", action="store_true", help="look at what the mappings make, not at the log")
        parser.add_argument("--json", action="store_true", help="a JSON object, for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= MOST_DAYS:
            raise CommandError(f"--days goes from 1 to {MOST_DAYS:,}.")
        if options["mappings"] and options["tenant"]:
            raise CommandError("--mappings are the same for every tenant: leave out --tenant.")
        report = review(_sightings(**options))
        seen = _seen(report, options)
        self.stdout.write(_json(report, seen) if options["json"] else _text(report, seen))
        if report.failed:
            sys.exit(1)


def _sightings(*, mappings: bool, tenant: str | None, days: int, **_options: Any) -> Iterator[Sighting]:
    since = timezone.now() - timedelta(days=days)
    if mappings:
        return from_mappings()
    if not tenant:
        return from_everyone(since)
    found = Tenant.objects.filter(slug=tenant).first()
    if found is None:
        raise CommandError(f"There is no tenant {tenant!r}. Without --tenant, all are looked at.")
    return from_tenant(found.pk, since)


def _seen(report: Report, options: dict[str, Any]) -> str:
    if options["mappings"]:
        return f"{report.looked_at:,} mappings"
    days = "1 day" if options["days"] == 1 else f"{options['days']:,} days"
    return f"{report.looked_at:,} events of the last {days}"


def _json(report: Report, seen: str) -> str:
    points = [point.as_dict() for point in report.points]
    return json.dumps(
        {"looked_at": report.looked_at, "seen": seen, "failed": report.failed, "points": points},
        indent=2, ensure_ascii=False,
    )  # fmt: skip


def _text(report: Report, seen: str) -> str:
    return "\n".join([f"Looked at {seen}.", *map(_lines, report.points)])


def _lines(point: Point) -> str:
    lines = [f"{point.verdict:<13}  {point.number}. {point.title}", f"{'':18}{point.detail}"]
    if point.example:
        lines.append(f"{'':18}Example: {point.example.call.get('event', '')} ({point.example.where})")
    return "\n".join(lines)
