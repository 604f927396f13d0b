import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse

from tenants.errors import TenantError
from tenants.models import Tenant, User
from tenants.services import create_tenant, find_or_create_user


class Command(BaseCommand):
    help = """Create a tenant (a customer account) and its owner.

The owner is the user with this email address. One who is new is created: with the password read from standard
input (--password-stdin), or else without any, and then sets one over the password-reset page.

  manage.py create_tenant "Acme Ltd" --owner ann@acme.example
  manage.py create_tenant Acme --owner ann@acme.example --slug acme --password-stdin --json < password.txt
"""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Django's own formatter would run the paragraphs and examples above together.
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="what people read, 100 characters at most")
        parser.add_argument("--owner", metavar="EMAIL", required=True, help="the email address of the owner")
        parser.add_argument("--slug", help="its word in addresses, /t/SLUG/ (made from the name when left out)")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read a new owner's password from the first line of stdin"
        )
        parser.add_argument("--json", action="store_true", help="print the outcome as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        password = _read_password() if options["password_stdin"] else None
        try:
            with transaction.atomic():
                owner, is_new = find_or_create_user(options["owner"], password)
                if password is not None:
                    _check_password(password, owner, is_new=is_new)
                tenant = create_tenant(options["name"], owner, options["slug"])
        except TenantError as error:
            raise CommandError(str(error)) from None
        outcome = _outcome(tenant, owner, is_new=is_new)
        self.stdout.write(json.dumps(outcome) if options["json"] else _sentences(outcome))


def _read_password() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise CommandError("No password came on standard input.")
    return password


def _check_password(password: str, owner: User, *, is_new: bool) -> None:
    """Judge a new user's password by the rules of the sign-up page; the transaction takes the user back."""
    if not is_new:
        raise CommandError(f"{owner} has a login already, and its password is left alone: omit --password-stdin.")
    try:
        validate_password(password, owner)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None


def _outcome(tenant: Tenant, owner: User, *, is_new: bool) -> dict[str, Any]:
    """What was done, as --json prints it; paths are below the site's address."""
    return {
        "tenant": {
            "id": tenant.pk,
            "name": tenant.name,
            "slug": tenant.slug,
            "path": reverse("tenants:overview", args=[tenant.slug]),
        },
        "owner": {
            "email": owner.email,
            "created": is_new,
            "has_password": owner.has_usable_password(),
            "password_reset_path": reverse("account_reset_password"),
        },
    }


def _sentences(outcome: dict[str, Any]) -> str:
    tenant, owner = outcome["tenant"], outcome["owner"]
    lines = [f"Created the tenant “{tenant['name']}” with the slug {tenant['slug']}; its pages are at {tenant['path']}"]
    created = "Created the user" if owner["created"] else "Found the user"
    lines.append(f"{created} {owner['email']} and made them its owner.")
    if not owner["has_password"]:
        lines.append(f"They have no password yet: they set one at {owner['password_reset_path']} with this address.")
    return "\n".join(lines)
