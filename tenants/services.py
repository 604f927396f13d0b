import re
import unicodedata
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from tenants.audit import note
from tenants.enums import Role
from tenants.errors import TenantError
from tenants.models import Membership, Tenant, User

RESERVED_SLUGS: Final = frozenset(
    {
        "accounts",
        "admin",
        "api",
        "app",
        "create",
        "help",
        "login",
        "logout",
        "mailbox",
        "new",
        "static",
        "support",
        "www",
    }
)
"""Words that a reader of an address would take for the product's own."""

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_NAME_LENGTH: Final = 100
_SLUG_LENGTH: Final = 50
_SLUG_ROOM: Final = 8
"""What a made slug leaves free at its end for a hyphen and a number."""


@transaction.atomic
def create_tenant(name: str, owner: User, slug: str | None = None, *, by: User | None = None) -> Tenant:
    """Make a tenant and its owner's membership; `by` is who asked for it on a page, None on the command line.

    Without a slug one is made from the name; a free one is found. Raises TenantError for an impossible name or slug,
    or a slug that is taken.
    """
    name = _clean_name(name)
    tenant = _create_with_slug(name, slug) if slug is not None else _create_with_free_slug(name)
    add_member(tenant, owner, Role.OWNER)
    note(tenant.pk, by, "created the company", tenant.name, owner=owner.email)
    return tenant


def add_member(tenant: Tenant, user: User, role: Role) -> Membership:
    """Raises TenantError when the user is a member already: changing a role is another deed than adding somebody."""
    membership, created = Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": Role(role)})
    if not created:
        raise TenantError(f"{user} is already a member of {tenant}.")
    return membership


@transaction.atomic
def rename_tenant(tenant: Tenant, name: str, *, by: User) -> None:
    """Change the name that people read; the slug stays, so that no link breaks."""
    before, tenant.name = tenant.name, _clean_name(name)
    tenant.save(update_fields=["name"])
    note(tenant.pk, by, "renamed the company to", tenant.name, before=before)


def find_or_create_user(email: str, password: str | None = None) -> tuple[User, bool]:
    """Return the user with this email address and whether it is new; a new one without a password cannot log in yet.

    The password of somebody who exists is left alone. Raises TenantError for an address that is none.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise TenantError(f"“{email}” is not an email address.") from None
    user = User.objects.filter(email=email).first()
    if user is not None:
        return user, False
    return User.objects.create_user(email, password), True


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    categories = {unicodedata.category(character) for character in name}
    # Cc and Cs: PostgreSQL stores no NUL and UTF-8 has no lone surrogates (a shell's undecodable bytes).
    if categories & {"Cc", "Cs"}:
        raise TenantError("The name has characters that cannot be shown. Type it again.")
    if not any(category[0] not in "CZ" for category in categories):
        raise TenantError("Give the company a name.")
    if len(name) > _NAME_LENGTH:
        raise TenantError(f"The name is longer than {_NAME_LENGTH} characters. Shorten it.")
    return name


def _create_with_slug(name: str, slug: str) -> Tenant:
    if not _SLUG.match(slug) or len(slug) > _SLUG_LENGTH:
        raise TenantError(
            f"The slug “{slug}” will not do: use small letters, digits and single hyphens between them, "
            f"{_SLUG_LENGTH} characters at most."
        )
    if slug in RESERVED_SLUGS:
        raise TenantError(f"The slug “{slug}” is reserved. Choose another.")
    tenant = _insert(name, slug)
    if tenant is None:
        raise TenantError(f"The slug “{slug}” is taken. Choose another, or leave it out to get a free one.")
    return tenant


def _create_with_free_slug(name: str) -> Tenant:
    """Number the slug until it is free: acme, acme-2, acme-3."""
    base = slugify(name)[: _SLUG_LENGTH - _SLUG_ROOM].strip("-_").replace("_", "-")
    base = base if _SLUG.match(base) else "company"
    taken = set(Tenant.objects.filter(slug__startswith=base).values_list("slug", flat=True)) | RESERVED_SLUGS
    number = 1
    while True:
        slug = base if number == 1 else f"{base}-{number}"
        # Somebody else may take it between the look and the insert; then the next number is tried.
        if slug not in taken and (tenant := _insert(name, slug)) is not None:
            return tenant
        number += 1


def _insert(name: str, slug: str) -> Tenant | None:
    """Insert the tenant in a savepoint; None when the slug is taken."""
    try:
        with transaction.atomic():
            return Tenant.objects.create(name=name, slug=slug)
    except IntegrityError:
        return None
