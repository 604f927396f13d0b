import pytest

from tenants.enums import Role
from tenants.errors import TenantError
from tenants.models import Membership, Tenant, User
from tenants.services import add_member, create_tenant, find_or_create_user, rename_tenant


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann@acme.test")


def test_create_tenant_makes_its_user_the_owner(ann):
    tenant = create_tenant("  Acme   Ltd ", ann)
    assert (tenant.name, tenant.slug) == ("Acme Ltd", "acme-ltd")
    assert [(m.tenant, m.role) for m in ann.memberships.all()] == [(tenant, Role.OWNER)]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ærøskøbing Smør", "rskbing-smr"),
        ("Crème Brûlée", "creme-brulee"),
        ("株式会社", "company"),
        ("_ _", "company"),
        ("Admin", "admin-2"),
        ("a_b", "a-b"),
        ("--x--", "x"),
        ("Long " * 20, "long-long-long-long-long-long-long-long-lo"),
    ],
)
def test_create_tenant_makes_a_slug_of_any_name(ann, name, slug):
    assert create_tenant(name, ann).slug == slug


def test_create_tenant_numbers_a_slug_that_is_taken(ann):
    assert [create_tenant("Acme", ann).slug for _ in range(3)] == ["acme", "acme-2", "acme-3"]


def test_create_tenant_takes_the_slug_asked_for(ann):
    assert create_tenant("Acme", ann, slug="the-acme").slug == "the-acme"


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        ("acme", "is taken"),
        ("admin", "is reserved"),
        ("Acme", "will not do"),
        ("", "will not do"),
        ("a--b", "will not do"),
        ("-a", "will not do"),
        ("a/b", "will not do"),
        ("a\n", "will not do"),
        ("ä", "will not do"),
        ("a" * 51, "will not do"),
    ],
)
def test_create_tenant_refuses_a_slug_and_creates_nothing(ann, slug, reason):
    Tenant.objects.create(name="First", slug="acme")
    with pytest.raises(TenantError, match=reason):
        create_tenant("Acme", ann, slug=slug)
    assert [tenant.slug for tenant in Tenant.objects.all()] == ["acme"]
    assert not Membership.objects.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Give the company a name"),
        (" \t\n", "Give the company a name"),
        ("\u200b\u2060", "Give the company a name"),
        ("A\x00B", "cannot be shown"),
        ("A\udc80B", "cannot be shown"),
        ("x" * 101, "longer than 100 characters"),
    ],
)
def test_create_tenant_refuses_a_name(ann, name, reason):
    with pytest.raises(TenantError, match=reason):
        create_tenant(name, ann)
    assert not Tenant.objects.exists()


def test_add_member_adds_once(tenant, ann):
    assert add_member(tenant, ann, Role.VIEWER).role == Role.VIEWER
    with pytest.raises(TenantError, match="is already a member of Acme"):
        add_member(tenant, ann, Role.OWNER)
    assert [m.role for m in ann.memberships.all()] == [Role.VIEWER]


def test_rename_tenant_keeps_the_slug(tenant, owner):
    rename_tenant(tenant, " Acme  GmbH ", by=owner)
    tenant.refresh_from_db()
    assert (tenant.name, tenant.slug) == ("Acme GmbH", "acme")


def test_find_or_create_user_finds_an_address_in_any_case(ann):
    assert find_or_create_user(" ANN@Acme.Test ") == (ann, False)


def test_find_or_create_user_leaves_a_known_password_alone(ann):
    ann.set_password("first of all")
    ann.save()
    find_or_create_user(ann.email, "another one")
    ann.refresh_from_db()
    assert ann.check_password("first of all")


@pytest.mark.parametrize("email", ["", "ann", "ann@", "ann@localhost@x", "a b@acme.test"])
def test_find_or_create_user_refuses_what_is_no_address(db, email):
    with pytest.raises(TenantError, match="is not an email address"):
        find_or_create_user(email)
    assert not User.objects.exists()
