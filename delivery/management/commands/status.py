import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from delivery.health import engine_problems
from delivery.queries import SourceStatus, statuses
from tenants.models import Tenant

COLUMNS = ("tenant", "source", "id", "region", "state", "waiting", "accepted", "refused", "set aside", "quarantined")


class Command(BaseCommand):
    help = "Show each source's state and how many of its events wait, were accepted, refused or set aside."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="only this tenant's sources")
        parser.add_argument("--json", action="store_true", help="a JSON list, for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = statuses(_tenant_id(options["tenant"]) if options["tenant"] else None)
        if options["json"]:
            self.stdout.write(json.dumps([status.as_dict() for status in found], indent=2))
        elif found:
            self.stdout.write(_table(found))
        else:
            self.stdout.write("No source is connected. Connect one with: manage.py connect_source")
        for what, problem in engine_problems().items():
            self.stderr.write(f"{what}: {problem}")


def _tenant_id(slug: str) -> int:
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {slug!r}. Without --tenant, all are shown.")
    return tenant.pk


def _table(found: list[SourceStatus]) -> str:
    rows = [(*COLUMNS, "oldest waiting"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    held = [f"{each.tenant}/{each.source}: {each.hold_reason}" for each in found if each.state == "held"]
    return "\n".join([*lines, *held])


def _row(status: SourceStatus) -> tuple[str, ...]:
    counts = (status.waiting, status.accepted, status.refused, status.set_aside, status.quarantined)
    oldest = "-"
    if status.oldest_waiting:
        oldest = f"{status.oldest_waiting.isoformat(timespec='seconds')} ({status.oldest_waiting_seconds} s)"
    return (
        status.tenant, status.source, str(status.source_id), status.region, status.state, *map(str, counts), oldest
    )  # fmt: skip  # in the order of COLUMNS
