"""Ask what the Spec says of an event's name."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.management.commands._json_output import UNUSABLE, opened, output_for_programs, print_json
from integrations.spec.catalogue import category_named
from integrations.spec.json_lines import capped_lines
from integrations.spec.lookalikes import match_name

_LONGEST_NAME_BYTES = 10_000


class Command(BaseCommand):
    help = (
        "Say whether an event's name is one of the Segment Spec (spec), means one and is called something else "
        "(lookalike), or is a name of its own (ok). Prints one line of JSON for each name."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the name, or - for one name a line on standard input")
        parser.add_argument("--category", help="the kind of tool that sends it, such as email")

    def handle(self, *_args: Any, name: str, category: str | None, **_options: Any) -> None:
        try:
            kind = category_named(category) if category else None
        except ValueError as problem:
            raise CommandError(str(problem), returncode=UNUSABLE) from None
        with output_for_programs(self.stdout):
            for each in _names_from_standard_input() if name == "-" else [_printable(name)]:
                found = match_name(each, kind)
                print_json(
                    self.stdout,
                    {"name": found.name, "verdict": found.verdict, "spec": found.spec, "reason": found.reason},
                )


def _names_from_standard_input() -> Iterator[str]:
    with opened("-") as stream:
        for _, line in capped_lines(stream, _LONGEST_NAME_BYTES):
            # A name too long to hold still gets its line of output.
            name = "…" if line is None else line.decode(errors="replace").rstrip("\r\n")
            if name.strip():
                yield name


def _printable(name: str) -> str:
    """An argument that is not UTF-8 comes with surrogates, which cannot be printed."""
    return name.encode(errors="replace").decode()
