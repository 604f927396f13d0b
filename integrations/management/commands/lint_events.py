"""Lint a file of calls."""

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from integrations.management.commands._json_output import UNUSABLE, opened, output_for_programs, print_json
from integrations.spec.catalogue import category_named
from integrations.spec.findings import Finding, Severity
from integrations.spec.json_lines import LintedLine, lint_lines

_SECONDS_BETWEEN_SIGNS = 1.0


class Command(BaseCommand):
    help = (
        "Check calls against the Segment Spec: one JSON object a line in, one line of JSON out for each, with verdict "
        "and findings. Blank lines are left out. Exits with 1 when there is an error, 2 when the file can't be read."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a file of JSON lines, or - for standard input")
        parser.add_argument("--category", help="the kind of tool that sends them, such as email: it decides on names")

    def handle(self, *_args: Any, file: str, category: str | None, **_options: Any) -> None:
        errors = False
        kind = _category(category)
        with output_for_programs(self.stdout), opened(file) as stream:
            for line in self._with_progress(lint_lines(_readable(stream, file), kind), stream):
                verdict = _verdict(line.findings)
                errors = errors or verdict == "error"
                print_json(
                    self.stdout, {"verdict": verdict, "findings": [finding.as_dict() for finding in line.findings]}
                )
        if errors:
            sys.exit(1)

    def _with_progress(self, lines: Iterator[LintedLine], stream: BinaryIO) -> Iterator[LintedLine]:
        """A sign of life on standard error, when a person watches that and the result goes elsewhere."""
        if not self.stderr.isatty() or self.stdout.isatty():
            yield from lines
            return
        size = _size(stream)
        last = time.monotonic()
        for line in lines:
            yield line
            if time.monotonic() - last >= _SECONDS_BETWEEN_SIGNS:
                last = time.monotonic()
                part = f", {100 * line.bytes_read // size} %" if size else ""
                self.stderr.write(f"\r{line.number:,} lines{part}", ending="")
        self.stderr.write("\r", ending="")


def _category(text: str | None) -> str | None:
    try:
        return category_named(text) if text else None
    except ValueError as problem:
        raise CommandError(str(problem), returncode=UNUSABLE) from None


def _verdict(findings: list[Finding]) -> str:
    if any(finding.severity is Severity.ERROR for finding in findings):
        return "error"
    return "warning" if findings else "ok"


def _size(stream: BinaryIO) -> int:
    try:
        return os.fstat(stream.fileno()).st_size
    except OSError:
        return 0


def _readable(stream: BinaryIO, name: str) -> BinaryIO:
    """The stream, when its first byte can be had: a folder opens well and cannot be read."""
    try:
        peek = getattr(stream, "peek", None)
        if peek is not None:
            peek(1)
    except OSError as problem:
        raise CommandError(f"{name} cannot be read: {problem.strerror}.", returncode=UNUSABLE) from None
    return stream
