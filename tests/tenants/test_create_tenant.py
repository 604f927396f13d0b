"""manage.py create_tenant"""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from tenants.models import Tenant, User

pytestmark = pytest.mark.django_db


def create_tenant(*args):
    out = io.StringIO()
    call_command("create_tenant", *args, stdout=out)
    return out.getvalue()


def test_create_tenant_creates_an_owner_without_password():
    assert create_tenant("Acme", "--owner", "Ann@acme.test") == (
        "Created the tenant “Acme” with the slug acme; its pages are at /t/acme/\n"
        "Created the user ann@acme.test and made them its owner.\n"
        "They have no password yet: they set one at /accounts/password/reset/ with this address.\n"
    )
    user = User.objects.get()
    assert not user.has_usable_password()
    assert [(m.tenant.slug, m.role) for m in user.memberships.all()] == [("acme", "owner")]


def test_create_tenant_reads_a_password_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    said = create_tenant("Acme", "--owner", "ann@acme.test", "--password-stdin")
    assert User.objects.get().check_password("correct horse battery")
    assert "horse" not in said


def test_create_tenant_takes_a_user_who_is_known(owner):
    create_tenant("Second", "--owner", owner.email)
    assert [m.tenant.slug for m in owner.memberships.order_by("tenant__slug")] == ["acme", "second"]


def test_create_tenant_prints_json():
    outcome = json.loads(create_tenant("Acme", "--owner", "ann@acme.test", "--slug", "a1", "--json"))
    assert outcome == {
        "tenant": {"id": Tenant.objects.get().pk, "name": "Acme", "slug": "a1", "path": "/t/a1/"},
        "owner": {
            "email": "ann@acme.test",
            "created": True,
            "has_password": False,
            "password_reset_path": "/accounts/password/reset/",
        },
    }


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("", "--owner", "ann@acme.test"), "Give the company a name"),
        (("Acme", "--owner", "ann"), "is not an email address"),
        (("Acme", "--owner", "ann@acme.test", "--slug", "taken"), "is taken"),
        (("Acme", "--owner", "ann@acme.test", "--slug", "No Slug"), "will not do"),
        (("Acme", "--owner", "ann@acme.test", "--slug", "admin"), "is reserved"),
        (("Acme",), "--owner"),
    ],
)
def test_create_tenant_refuses_bad_input_and_leaves_nothing(args, reason):
    Tenant.objects.create(name="First", slug="taken")
    with pytest.raises(CommandError, match=reason):
        create_tenant(*args)
    assert [tenant.slug for tenant in Tenant.objects.all()] == ["taken"]
    assert not User.objects.exists()


@pytest.mark.parametrize(("password", "reason"), [("", "No password came"), ("12345\n", "too short")])
def test_create_tenant_refuses_a_bad_password_and_leaves_nothing(monkeypatch, password, reason):
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    with pytest.raises(CommandError, match=reason):
        create_tenant("Acme", "--owner", "ann@acme.test", "--password-stdin")
    assert not Tenant.objects.exists()
    assert not User.objects.exists()


def test_create_tenant_does_not_replace_a_known_users_password(monkeypatch, owner):
    monkeypatch.setattr("sys.stdin", io.StringIO("quite another phrase\n"))
    with pytest.raises(CommandError, match="has a login already"):
        create_tenant("Second", "--owner", owner.email, "--password-stdin")
    assert not Tenant.objects.filter(name="Second").exists()
