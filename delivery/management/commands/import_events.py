import getpass
import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from delivery.importing import services
from delivery.importing.checking import Report, check
from delivery.importing.errors import ImportFileError
from delivery.importing.history import History
from delivery.importing.mapping import EXAMPLE, read_mapping
from delivery.importing.models import FileImport
from delivery.importing.progress import Reporter
from delivery.importing.tally import EVERY_MONTH
from integrations.models import Source
from tenants.scoping import every_tenant, scope

HELP: Final = f"""Send what happened before to a source: a file with one event on each line.

  manage.py import_events history.jsonl --source 3 --dry-run
  manage.py import_events history.jsonl --source 3
  manage.py import_events orders.csv --source 3 --mapping orders.toml

JSON lines are calls of Segment's Spec, each with its timestamp. A CSV file needs a mapping, in TOML or JSON, such as:

{indent(EXAMPLE, "    ")}
A field is a path in the call; types are text, integer, number, boolean, json and time; an empty cell is left out.

The whole file is looked at first; when a row cannot be sent, nothing is written, unless --skip-errors. Live events of
the source go first. Stop it at any time: the same command goes on where it was. A file that was imported adds nothing
the next time, however late. docs/importing.md tells more.
"""


class Command(BaseCommand):
    help = HELP

    def run_from_argv(self, argv: list[str]) -> None:
        # As a process of its own. On a machine that web and workers share, they go first.
        os.nice(10)
        super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Django's own formatter would run the paragraphs and examples above together.
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--source", type=int, required=True, metavar="ID", help="manage.py status lists them")
        parser.add_argument("--format", choices=["jsonl", "csv"], help="default: csv when the file's name ends so")
        parser.add_argument("--mapping", type=Path, metavar="FILE", help="how columns become calls; for csv")
        parser.add_argument("--dry-run", action="store_true", help="look and count only; changes nothing")
        parser.add_argument("--skip-errors", action="store_true", help="leave out what cannot be sent, and record it")

    def handle(self, *_args: Any, **options: Any) -> None:
        source = _source(options["source"])
        try:
            with scope(source.tenant_id):
                self._import(source, _history(options), options)
        except ImportFileError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped. The same command goes on where it was.") from None

    def _import(self, source: Source, history: History, options: dict[str, Any]) -> None:
        services.check_source(source)
        history.size()
        digest = history.digest()
        record = services.find(source, digest)
        if record is None or options["dry_run"]:
            self._check(source, history, options)
        if record is not None and (record.finished_at or options["dry_run"]):
            self.stdout.write(_before(record))
        elif not options["dry_run"]:
            record = services.begin(source, history, digest, by=None, requested_by=getpass.getuser())
            self._run(record, history)

    def _check(self, source: Source, history: History, options: dict[str, Any]) -> None:
        reporter = Reporter(self.stderr, "Looking at it")
        report = check(source, history, reporter.tell)
        reporter.end()
        self.stdout.write("\n".join(_lines(report)))
        if report.problems and not (options["skip_errors"] or options["dry_run"]):
            raise CommandError(
                "Nothing was written. Correct the rows, or add --skip-errors to leave them out: each is then recorded"
                " among the refusals of the source."
            )

    def _run(self, record: FileImport, history: History) -> None:
        if record.line:
            self.stdout.write(f"Goes on behind line {record.line:,}.")
        reporter = Reporter(self.stderr, "Importing")
        record = services.run(record, history, reporter.tell)
        reporter.end()
        self.stdout.write(
            f"Import {record.pk} is done: {record.captured:,} events captured, {record.duplicates:,} rows were there"
            f" before, {record.refused:,} refused."
        )


def _source(source_id: int) -> Source:
    with every_tenant():
        source = Source.objects.filter(pk=source_id).first()
    if source is None:
        raise CommandError(f"There is no source {source_id}. manage.py status lists them with their ids.")
    return source


def _history(options: dict[str, Any]) -> History:
    path: Path = options["file"]
    form = options["format"] or ("csv" if path.suffix.lower() == ".csv" else "jsonl")
    if (form == "csv") != (options["mapping"] is not None):
        raise CommandError("A CSV file needs a --mapping, and JSON lines take none: --help has an example.")
    return History(path, read_mapping(options["mapping"]) if options["mapping"] else None)


def _before(record: FileImport) -> str:
    if record.finished_at is None:
        return f"Import {record.pk} of this file came to line {record.line:,}; without --dry-run it goes on there."
    return (
        f"This file was imported on {record.finished_at:%Y-%m-%d at %H:%M} UTC, as import {record.pk}, by"
        f" {record.requested_by}. Nothing was changed."
    )


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.rows:,} rows."
    for code, problem in report.problems.items():
        lines = ", ".join(f"{line}" for line in problem.lines) + (", ..." if problem.count > len(problem.lines) else "")
        yield f"  {problem.count:>12,}  {code}, in line {lines}. The first: {problem.message}"
    left_out = {
        "say the same as an earlier row": report.repeated,
        "are in the source's log": report.known,
        "are of events that the source has turned off": report.unwanted,
    }
    yield from (f"  {count:>12,}  {why}, and are left out" for why, count in left_out.items() if count)
    types = ", ".join(f"{count:,} {name}" for name, count in sorted(report.types.items()))
    yield f"To be sent: {report.calls:,} calls{f' ({types})' if types else ''}."
    if report.months:
        yield f"  {'month':<8} {'calls':>12} {'users':>12}"
    for month in report.months:
        yield f"  {month.month:<8} {month.calls:>12,} {month.users:>12,}"
    if report.months:
        yield f"Users are distinct userIds, and anonymousIds that come with none; “{EVERY_MONTH}” counts each once."
