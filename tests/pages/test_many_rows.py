"""A company with a great many sources, keys, members: a page shows a part, and costs what it costs with few."""

from hashlib import sha256

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery.alerts.enums import IncidentKind
from delivery.alerts.models import Incident
from integrations.enums import IdentityMode, KeyPurpose, Region
from integrations.models import ApiKey, Source
from tenants.audit import note
from tenants.enums import Role
from tenants.models import Invitation, Membership, User
from tenants.queries import ROWS_PER_PAGE
from tenants.scoping import scope

pytestmark = pytest.mark.django_db

LISTS = {
    "integrations/": 10,
    "integrations/segment/": ROWS_PER_PAGE,
    "integrations/segment/?q=many": ROWS_PER_PAGE,
    "integrations/segment/review/": 10,
    "integrations/segment/alerts/": ROWS_PER_PAGE,
    "integrations/segment/people/": ROWS_PER_PAGE,
    "integrations/keys/": ROWS_PER_PAGE,
    "members/": ROWS_PER_PAGE,
    "members/?q=many": ROWS_PER_PAGE,
    "invitations/": ROWS_PER_PAGE,
    "history/": ROWS_PER_PAGE,
    "": 10,
}
"""The pages, and how many of the rows each shows."""


def add(tenant, owner, numbers):
    """Of everything that a company may have many of, each named with "many" and a number."""
    names = [f"many-{number:03}" for number in numbers]
    add_sources(tenant, names)
    add_people(tenant, names)
    ApiKey.objects.bulk_create(
        ApiKey(tenant=tenant, purpose=KeyPurpose.INBOUND, name=name, last_four="0000", digest=digest(name))
        for name in names
    )
    for name in names:
        note(tenant.pk, owner, "renamed a connection to", name)


def add_sources(tenant, names):
    sources = Source.objects.bulk_create(
        Source(tenant=tenant, name=name, region=Region.US, identity=IdentityMode.EMAIL_HASH) for name in names
    )
    Incident.objects.bulk_create(
        Incident(tenant=tenant, source=source, kind=IncidentKind.HELD, reason="Held", opened_at=timezone.now())
        for source in sources
    )


def add_people(tenant, names):
    users = User.objects.bulk_create(User(email=f"{name}@acme.test") for name in names)
    Membership.objects.bulk_create(Membership(tenant=tenant, user=user, role=Role.ADMIN) for user in users)
    Invitation.objects.bulk_create(
        Invitation(
            tenant=tenant, email=f"{name}@new.test", role=Role.VIEWER, digest=digest(name), expires_at=timezone.now()
        )
        for name in names
    )


def digest(name):
    return sha256(name.encode()).digest()


def look(client, address):
    """Which of the many are on the page, and how many queries it took."""
    with CaptureQueriesContext(connection) as captured:
        response = client.get(f"/t/acme/{address}")
    assert response.status_code == 200
    page = response.content.decode()
    return {number for number in range(200) if f"many-{number:03}" in page}, len(captured)


@pytest.mark.parametrize("address", LISTS)
def test_page_shows_a_part_and_costs_no_more_for_many(owner_client, tenant, owner, address):
    with scope(tenant.pk):
        add(tenant, owner, range(3))
        few, queries = look(owner_client, address)
        add(tenant, owner, range(3, 120))
    shown, queries_of_many = look(owner_client, address)
    assert (len(few), queries_of_many) == (3, queries)
    # The owner may be in the list too.
    assert len(shown) in {LISTS[address], LISTS[address] - 1}


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("integrations/", "All 120 sources"),
        ("integrations/segment/", "Page 1 of 3"),
        ("integrations/segment/review/", "<li>and others</li>"),
        ("integrations/segment/alerts/", "These are the newest 50; there are more."),
        ("integrations/keys/", "Page 1 of 3"),
        ("", "All 121 members"),
    ],
)
def test_page_tells_that_there_are_more(owner_client, tenant, owner, address, told):
    with scope(tenant.pk):
        add(tenant, owner, range(120))
    assert told in owner_client.get(f"/t/acme/{address}").content.decode()
