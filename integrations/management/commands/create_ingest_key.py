import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.api_key_forms import ApiKeyForm
from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose
from tenants.models import Tenant


class Command(BaseCommand):
    help = """Make a key with which a program sends events to a tenant, and print it, this once: only a digest stays.

The program uses one of Segment's server libraries, with this site as its host and the key as its write key.

  manage.py create_ingest_key --tenant acme --name "Web shop"
  manage.py create_ingest_key --tenant acme > key.txt

The key alone goes to standard output, the rest to standard error. The tenant's page of API keys lists and revokes it.
"""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Django's own formatter would run the paragraphs and examples above together.
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="the tenant: the SLUG of /t/SLUG/")
        parser.add_argument("--name", default="Command line", help="what people read on the page (%(default)s)")
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}. The last part of /t/SLUG/ names one.")
        form = ApiKeyForm({"name": options["name"], "purpose": KeyPurpose.INGEST})
        if not form.is_valid():
            raise CommandError(f"--name: {' '.join(map(str, form.errors['name']))}")
        key, secret = issue_api_key(tenant, KeyPurpose.INGEST, name=form.cleaned_data["name"], by=None)
        if options["json"]:
            self.stdout.write(
                json.dumps({"id": key.pk, "tenant": tenant.slug, "name": key.name, "key": secret.reveal()})
            )
            return
        self.stderr.write(f"Made the ingest key “{key.name}” of {tenant.name}. It is shown this once:")
        self.stdout.write(secret.reveal())
