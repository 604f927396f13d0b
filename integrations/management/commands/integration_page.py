"""Write the product's help page about Segment."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from integrations.catalog.help_page import help_page
from integrations.catalog.markdown import plain
from integrations.management.commands._json_output import output_for_programs, write_file


class Command(BaseCommand):
    help = (
        "Write the product's own help page for its customers in Markdown: connect, verify, events, troubleshooting. "
        "The product shows the same under Integrations, Segment."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", metavar="FILE", help="write it to this file instead of printing it")

    def handle(self, *_args: Any, **options: Any) -> None:
        page = plain(help_page())
        if options["output"]:
            write_file(options["output"], page)
            return
        with output_for_programs(self.stdout):
            self.stdout.write(page, ending="")
