import getpass
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from integrations import services
from integrations.enums import Region
from integrations.errors import SourceNameError, WriteKeyError
from integrations.forms import NameForm
from integrations.models import Source
from integrations.secrets import Secret
from integrations.write_keys import check_write_key, clean_write_key
from tenants.audit import note
from tenants.models import Tenant

LONGEST_INPUT = 10_000
"""Characters read from standard input: enough for any key, and for saying that it was not one."""


class Command(BaseCommand):
    help = (
        "Connect a Segment source to a tenant. The write key is asked for, or read from standard input: "
        "manage.py connect_source --tenant acme --region us < write-key.txt. "
        "It is never an argument, where other users of the machine could see it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="the tenant, by its slug")
        parser.add_argument("--region", required=True, choices=Region.values, help="where the Segment workspace is")
        parser.add_argument("--name", default="Segment", help="the source's name in its tenant (default: Segment)")
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}. The last part of /t/SLUG/ names one.")
        write_key, warnings = _write_key()
        source = self._connect(tenant, options["name"], Region(options["region"]), write_key)
        if options["json"]:
            self.stdout.write(json.dumps({**_facts(source), "warnings": warnings}))
            return
        self.stdout.write(f"Connected “{source.name}” of {tenant.name} to Segment, {source.get_region_display()}.")
        for fact, value in _facts(source).items():
            self.stdout.write(f"{fact}: {value}")
        for warning in warnings:
            self.stderr.write(f"Warning: {warning} Check it in Segment.")

    def _connect(self, tenant: Tenant, name: str, region: Region, write_key: Secret) -> Source:
        form = NameForm({"name": name})
        if not form.is_valid():
            raise CommandError(f"--name: {' '.join(map(str, form.errors['name']))}")
        try:
            return _connected(tenant, form.cleaned_data["name"], region, write_key)
        except SourceNameError as error:
            raise CommandError(f"{error} (--name)") from None


@transaction.atomic
def _connected(tenant: Tenant, name: str, region: Region, write_key: Secret) -> Source:
    source = services.connect_source(tenant, name=name, region=region, write_key=write_key)
    note(tenant.pk, None, "connected", source.name, region=source.region)
    return source


def _write_key() -> tuple[Secret, list[str]]:
    """The key from a pipe or a prompt that does not echo, and what is odd about it."""
    text = getpass.getpass("Write key: ") if sys.stdin.isatty() else sys.stdin.read(LONGEST_INPUT)
    try:
        return clean_write_key(text), check_write_key(text)
    except WriteKeyError as error:
        raise CommandError(str(error)) from None


def _facts(source: Source) -> dict[str, object]:
    return {
        "id": source.pk,
        "tenant": source.tenant.slug,
        "name": source.name,
        "state": source.state,
        "region": source.region,
        "write_key_last_four": source.write_key.last_four,
        "write_key_fingerprint": source.write_key.fingerprint,
    }
