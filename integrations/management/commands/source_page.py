"""Write the product's page for Segment's catalog."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from integrations.catalog.markdown import for_segment_docs
from integrations.catalog.metadata import metadata
from integrations.catalog.source_page import source_page
from integrations.management.commands._json_output import output_for_programs, write_file


class Command(BaseCommand):
    help = (
        "Write the product's page for Segment's catalog by Segment's template for partners, in Markdown, from the "
        "mappings and settings; and the catalog's metadata as JSON. What is not given a file is printed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", metavar="FILE", help="write the page to this file")
        wanted = parser.add_mutually_exclusive_group()
        wanted.add_argument("--metadata", metavar="FILE", help="write the metadata to this file as well")
        wanted.add_argument("--json", action="store_true", help="print the metadata instead of the page")

    def handle(self, *_args: Any, **options: Any) -> None:
        page = for_segment_docs(source_page())
        facts = json.dumps(metadata(), indent=2, ensure_ascii=False) + "\n"
        for name, text in (("output", page), ("metadata", facts)):
            if options[name]:
                write_file(options[name], text)
        with output_for_programs(self.stdout):
            if options["json"]:
                self.stdout.write(facts, ending="")
            elif not options["output"]:
                self.stdout.write(page, ending="")
