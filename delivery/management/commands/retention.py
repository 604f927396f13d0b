import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from delivery.retention import Report, preview, run

HELP = """Delete what is past its retention: partitions of events, batches with their requests, refusals, dedupe rows,
rate holds, replays, warnings that are over. Events that a source still owes stay; their tenant is warned twice before
they expire. Beat does the same each hour, for a minute at most; by hand it goes on until all is done. Harmless at any
time. docs/retention.md has the rules, docs/settings.md the times."""

LINES = {
    "warnings": "warnings to tenants",
    "expired_events": "events expired without having been accepted",
    "partitions": "partitions of events dropped",
    "blocked": "partitions past their retention that stay: their events are owed or in use",
    "batches": "batches deleted, with their requests",
    "refusals": "refusals deleted",
    "message_keys": "dedupe rows deleted",
    "rate_holds": "rate holds deleted",
    "replays": "replays deleted: what was sent again, when their batches are gone",
    "ended_warnings": "warnings deleted that are long over",
}
DAY = 86_400.0


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what would be done now, and do nothing")
        parser.add_argument("--json", action="store_true", help="a JSON object, for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = preview() if options["dry_run"] else run(seconds=DAY)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report)))
            return
        if options["dry_run"]:
            self.stdout.write("Nothing was changed. A run would leave this behind:")
        self.stdout.write(_lines(report))


def _lines(report: Report) -> str:
    return "\n".join(f"{count:>12,}  {LINES[name]}" for name, count in asdict(report).items())
