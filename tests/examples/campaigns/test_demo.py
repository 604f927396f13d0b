import json
import stat

import pytest
from django.test import Client

from examples.campaigns.demo import create_demo
from examples.campaigns.models import Person
from tenants.models import Membership, User
from tenants.scoping import every_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hasher(settings):
    """The real one takes most of a second for each of the five passwords."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def logins(tmp_path):
    return create_demo(tmp_path)


def test_demo_has_its_cast(logins):
    assert [login.email for login in logins] == [
        f"{name}@demo.test" for name in ("ada", "alan", "victor", "greta", "staff")
    ]
    roles = Membership.objects.order_by("pk").values_list("user__email", "tenant__slug", "role")
    assert set(roles) == {
        ("ada@demo.test", "acme", "owner"),
        ("alan@demo.test", "acme", "admin"),
        ("victor@demo.test", "acme", "viewer"),
        ("greta@demo.test", "globex", "owner"),
        ("ada@demo.test", "globex", "viewer"),
    }
    assert list(User.objects.filter(is_superuser=True).values_list("email", flat=True)) == ["staff@demo.test"]
    with every_tenant():
        ada = Person.objects.get(email="ada@demo.test")
        assert (ada.tenant.slug, ada.external_id) == ("acme", "user-1001")
        assert {bool(person.external_id) for person in Person.objects.all()} == {True, False}


def test_demo_logins_log_in(logins):
    ada = logins[0]
    response = Client().post("/accounts/login/", {"login": ada.email, "password": ada.password})
    assert response.status_code == 302


def test_demo_passwords_are_random_and_for_their_owner_alone(logins, tmp_path):
    file = tmp_path / "demo-logins.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {login.email: login.password for login in logins}
    assert len({login.password for login in logins}) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["demo-logins.json"]
    assert logins[0].password not in repr(logins)


def test_demo_run_again_changes_nothing(logins, tmp_path):
    with every_tenant():
        Person.objects.filter(email="grace@customer.test").delete()
        assert create_demo(tmp_path) == logins
        assert Person.objects.filter(email="grace@customer.test").count() == 0
    assert User.objects.count() == 5


def test_demo_whose_file_was_lost_gets_passwords_that_work(logins, tmp_path):
    (tmp_path / "demo-logins.json").unlink()
    again = create_demo(tmp_path)
    assert [login.password for login in again] != [login.password for login in logins]
    assert all(User.objects.get(email=login.email).check_password(login.password) for login in again)
