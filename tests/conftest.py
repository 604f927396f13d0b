"""The cast of most tests: a tenant with an owner, an admin and a viewer, and a stranger who must see nothing of it."""

import math
from collections import Counter

import hypothesis
import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client

from integrations.enums import Region
from integrations.models import Source
from tenants.enums import Role
from tenants.models import Membership, Tenant, User
from tenants.scoping import every_tenant
from tenants.staff_door import SHOWN
from tests.databases import keep_pristine
from tests.emptying import empty_redis

PASSWORD = "correct horse battery"
WRITE_KEY = "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345"
OTHER_WRITE_KEY = "zYxWvUtSrQpOnMlKjIhGfEdCbA543210"

# How long an example takes says what else the machine does, and nothing of what is tested.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with a browser come last: from the first of them on, an event loop of Playwright's runs in the thread. Of
    these the largest files come first, so that at the end no worker has long to do alone.
    """
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: -sizes[item.path] if item.get_closest_marker("browser") else -math.inf)


@pytest.fixture(scope="session", autouse=True)
def queries_beside_playwright():
    """Django would take each query of a thread that has a loop for one that blocks it. Nothing here is asynchronous."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The tables as no test has touched them yet are kept for the programs that want a database of their own."""
    with django_db_blocker.unblock():
        keep_pristine(connection.settings_dict["NAME"])


@pytest.fixture(scope="session", autouse=True)
def redis_at_work():
    empty_redis()


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    """A million rounds of PBKDF2 for each member of the cast would be most of the suite's time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def everything():
    """For assertions about rows of any tenant."""
    with every_tenant():
        yield


def make_user(email: str) -> User:
    """Somebody who has confirmed the address, and so can log in."""
    user = User.objects.create_user(email, PASSWORD)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def make_member(tenant: Tenant, role: Role) -> User:
    user = make_user(f"{role}@{tenant.slug}.test")
    Membership.objects.create(tenant=tenant, user=user, role=role)
    return user


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    if user.is_staff:
        session = client.session
        session[SHOWN] = user.pk
        session.save()
    return client


@pytest.fixture
def tenant(db):
    return Tenant.objects.create(name="Acme", slug="acme")


@pytest.fixture
def other_tenant(db):
    return Tenant.objects.create(name="Other", slug="other")


@pytest.fixture
def owner(tenant):
    return make_member(tenant, Role.OWNER)


@pytest.fixture
def admin(tenant):
    return make_member(tenant, Role.ADMIN)


@pytest.fixture
def viewer(tenant):
    return make_member(tenant, Role.VIEWER)


@pytest.fixture
def stranger(other_tenant):
    return make_member(other_tenant, Role.OWNER)


@pytest.fixture
def staff(db):
    return User.objects.create_superuser("staff@headwater.test", PASSWORD)


@pytest.fixture
def owner_client(owner):
    return logged_in(owner)


@pytest.fixture
def admin_client(admin):
    return logged_in(admin)


@pytest.fixture
def viewer_client(viewer):
    return logged_in(viewer)


@pytest.fixture
def stranger_client(stranger):
    return logged_in(stranger)


@pytest.fixture
def staff_client(staff):
    return logged_in(staff)


def make_source(tenant: Tenant, write_key: str, region: Region = Region.US, name: str = "Main") -> Source:
    from integrations.secrets import Secret
    from integrations.services import connect_source

    return connect_source(tenant, name=name, region=region, write_key=Secret(write_key))


@pytest.fixture
def source(tenant):
    return make_source(tenant, WRITE_KEY)


@pytest.fixture
def other_source(other_tenant):
    return make_source(other_tenant, OTHER_WRITE_KEY)
