"""The cast of the demo: two companies, the people who log in to them, and whom the first one writes to."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from allauth.account.models import EmailAddress
from django.db import transaction

from examples.campaigns.models import Person
from tenants.enums import Role
from tenants.models import Tenant, User
from tenants.scoping import scope
from tenants.services import add_member, create_tenant

LOGINS_FILE: Final = "demo-logins.json"

ADA, ALAN, VICTOR, GRETA, STAFF = (f"{name}@demo.test" for name in ("ada", "alan", "victor", "greta", "staff"))

LOGINS: Final = {
    ADA: "Owner of Acme, viewer of Globex",
    ALAN: "Admin of Acme",
    VICTOR: "Viewer of Acme",
    GRETA: "Owner of Globex",
    STAFF: "Staff, the Django admin",
}

PEOPLE: Final = [
    (ADA, "Ada Lovelace", "user-1001"),
    ("grace@customer.test", "Grace Hopper", "user-1002"),
    ("edsger@customer.test", "Edsger Dijkstra", "user-1003"),
    ("barbara@customer.test", "Barbara Liskov", "user-1004"),
    # Without an id of the customer's own: what these do is refused, and the reason can be seen.
    ("guest@customer.test", "", ""),
    ("newsletter@customer.test", "Newsletter guest", ""),
]


@dataclass(frozen=True)
class DemoLogin:
    role: str
    email: str
    password: str

    def __repr__(self) -> str:
        return f"DemoLogin({self.role!r}, {self.email!r}, '********')"


def create_demo(folder: Path) -> list[DemoLogin]:
    """Create what is missing of the demo and return its logins.

    Each installation makes passwords of its own; they are kept in `folder`, in a file for its owner's eyes. What a
    user of the demo has changed (a password, a person) stays as it is.
    """
    known = _read(folder)
    passwords = {email: known.get(email) or _new_password() for email in LOGINS}
    # First the file: if the rest fails, the next run finds the passwords and goes on with them.
    _write(folder, passwords)
    with transaction.atomic():
        users = {email: _user(email, passwords[email], is_new=email not in known) for email in LOGINS}
        _tenants(users)
    return [DemoLogin(role, email, passwords[email]) for email, role in LOGINS.items()]


def _tenants(users: dict[str, User]) -> None:
    acme = _tenant("Acme", users[ADA])
    if acme is not None:
        add_member(acme, users[ALAN], Role.ADMIN)
        add_member(acme, users[VICTOR], Role.VIEWER)
        with scope(acme.pk):
            Person.objects.bulk_create(
                Person(tenant=acme, email=email, name=name, external_id=external_id)
                for email, name, external_id in PEOPLE
            )
    globex = _tenant("Globex", users[GRETA])
    if globex is not None:
        add_member(globex, users[ADA], Role.VIEWER)


def _tenant(name: str, owner: User) -> Tenant | None:
    """The new tenant, or None when it is there already."""
    slug = name.lower()
    return None if Tenant.objects.filter(slug=slug).exists() else create_tenant(name, owner, slug)


def _user(email: str, password: str, *, is_new: bool) -> User:
    """`is_new`: the password was made just now, so a user who is there already gets it too."""
    user = User.objects.filter(email=email).first()
    if user is None:
        is_staff = email == STAFF
        user = User.objects.create_user(email, password, is_staff=is_staff, is_superuser=is_staff)
        # Otherwise each log-in would mail a request to confirm the address.
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    elif is_new:
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def _new_password() -> str:
    """Readable and typed easily: four groups of four, of 31 signs that are not taken for one another (79 bits)."""
    signs = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(signs) for _ in range(4)) for _ in range(4))


def _read(folder: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads((folder / LOGINS_FILE).read_text())
    except FileNotFoundError:
        return {}
    return known


def _write(folder: Path, passwords: dict[str, str]) -> None:
    """In one step and never readable by others, not even for a moment."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{LOGINS_FILE}.{os.getpid()}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(passwords, file, indent=2)
    unfinished.replace(folder / LOGINS_FILE)
