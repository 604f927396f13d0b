"""Every address, asked by everybody: who is let in, who is not told that it exists. A refused form does nothing."""

import pytest
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import logged_in
from tests.pages.addresses import Address, all_addresses
from tests.pages.rows import LOG_IN, ROWS, STAFF_DOOR, Answer, row_of
from tests.pages.world import ROLES, World

ADDRESSES = all_addresses("tests.pages.urls")

pytestmark = pytest.mark.django_db


def answer_of(response: HttpResponseBase) -> Answer:
    where = response.get("Location", "").partition("?")[0]
    return {"/accounts/login/": LOG_IN, "/admin/login/": STAFF_DOOR}.get(where, response.status_code)


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address.name)
def test_address_answers_each_role_as_its_row_says(world: World, address: Address):
    row = row_of(address)
    path = row.path(address, world)
    assert {role: answer_of(world.client(role).get(path)) for role in ROLES} == row.expected()


@pytest.mark.parametrize("address", [a for a in ADDRESSES if a.is_of_a_tenant], ids=lambda address: address.name)
def test_form_of_whom_a_tenants_page_refuses_does_nothing(world: World, address: Address):
    row = row_of(address)
    path, expected = row.path(address, world), row.expected()
    for role in (role for role in ROLES if expected[role] in {LOG_IN, 403, 404}):
        client = world.client(role)
        with CaptureQueriesContext(connection) as queries:
            response = client.post(path, {"confirm": "on"})
        assert answer_of(response) in ({expected[role], 405} if role != "anonymous" else {LOG_IN})
        assert [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []


@pytest.fixture(scope="module")
def visitor(world: World) -> Client:
    """Staff who look at the company's pages."""
    client = logged_in(world.people["staff"])
    client.post(f"/admin/tenants/{world.values['tenant_id']}/visit/", {"reason": "Asked by phone"})
    return client


@pytest.mark.parametrize("address", [a for a in ADDRESSES if a.is_of_a_tenant], ids=lambda address: address.name)
def test_visiting_staff_see_what_a_viewer_sees_and_send_nothing(world: World, visitor: Client, address: Address):
    row = row_of(address)
    path = row.path(address, world)
    with CaptureQueriesContext(connection) as queries:
        seen = [visitor.get(path), visitor.post(path, {"confirm": "on"})]
    assert [answer_of(response) for response in seen] == [row.expected()["viewer"], 403]
    assert [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []


def test_every_row_has_an_address():
    assert sorted(ROWS.keys() - {address.name for address in ADDRESSES}) == []
