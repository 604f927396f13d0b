import threading

import pytest
from django.db import connection, transaction

from examples.campaigns.models import Message, Person
from tenants.scoping import scope
from tests.examples.campaigns.conftest import make_person, wait_until_somebody_waits

pytestmark = pytest.mark.django_db

PEOPLE = "/t/acme/campaigns/people/"


def stored(tenant):
    with scope(tenant.pk):
        return list(Person.objects.order_by("pk").values_list("email", "name", "external_id"))


def test_add_person_keeps_the_address_in_lower_case(admin_client, tenant):
    data = {"email": "Ada@Customer.test", "name": "Ada", "external_id": "user-1001"}
    response = admin_client.post(f"{PEOPLE}new/", data)
    assert response["Location"] == PEOPLE
    assert stored(tenant) == [("ada@customer.test", "Ada", "user-1001")]


def test_add_person_explains_the_id(admin_client, tenant):
    assert "Segment calls it the userId" in admin_client.get(f"{PEOPLE}new/").content.decode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"email": "ADA@customer.test"}, "You have a person with this address already."),
        ({"email": "new@customer.test", "external_id": "new@customer.test"}, "This is an email address."),
        ({"email": "no address"}, "Enter a valid email address."),
    ],
)
def test_add_person_refuses_with_a_reason(admin_client, tenant, person, data, message):
    assert message in admin_client.post(f"{PEOPLE}new/", data).content.decode()
    assert len(stored(tenant)) == 1


@pytest.mark.django_db(transaction=True)
def test_same_address_at_the_same_moment_is_refused_by_the_database(admin_client, tenant):
    pages = []

    def add():
        try:
            pages.append(admin_client.post(f"{PEOPLE}new/", {"email": "ada@customer.test"}).content.decode())
        finally:
            connection.close()

    second = threading.Thread(target=add)
    with transaction.atomic():
        make_person(tenant)
        second.start()
        wait_until_somebody_waits()
    second.join()
    assert "You have a person with this address already." in pages[0]
    assert len(stored(tenant)) == 1


def test_two_tenants_may_know_the_same_address(admin_client, tenant, other_tenant):
    make_person(other_tenant)
    admin_client.post(f"{PEOPLE}new/", {"email": "ada@customer.test"})
    assert stored(tenant) == [("ada@customer.test", "", "")]


def test_edit_leaves_an_unsubscription_alone(admin_client, tenant, draft):
    gone = make_person(tenant, unsubscribed_at=draft.created_at)
    admin_client.post(f"{PEOPLE}{gone.pk}/", {"email": gone.email, "name": "Ada", "external_id": "user-1"})
    with scope(tenant.pk):
        assert Person.objects.get().unsubscribed_at == draft.created_at
    assert stored(tenant) == [("ada@customer.test", "Ada", "user-1")]


def test_remove_asks_first_and_takes_the_messages_too(admin_client, tenant, message, person):
    page = admin_client.get(f"{PEOPLE}{person.pk}/remove/").content.decode()
    assert "1 email to this person leaves" in page
    assert len(stored(tenant)) == 1
    admin_client.post(f"{PEOPLE}{person.pk}/remove/")
    assert stored(tenant) == []
    with scope(tenant.pk):
        assert Message.objects.count() == 0


def test_resubscribe_makes_the_person_reachable_again(admin_client, tenant, draft):
    gone = make_person(tenant, unsubscribed_at=draft.created_at)
    admin_client.post(f"{PEOPLE}{gone.pk}/resubscribe/")
    with scope(tenant.pk):
        assert Person.objects.get().unsubscribed_at is None
