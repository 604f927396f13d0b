"""People of the product are erased with a person; the engine's own part has tests/delivery/test_erasure.py."""

import pytest

from delivery.models import Event
from delivery.outbox import capture_many
from examples.campaigns.models import Message, Person
from integrations.models import Person as SegmentPerson
from integrations.spec.calls import identify
from tenants.enums import PersonField
from tenants.erasure import ask_for_person, run
from tenants.models import Erasure
from tests.examples.campaigns.conftest import make_campaign, make_message, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


@pytest.fixture
def people(tenant):
    campaign = make_campaign(tenant)
    ada, grace = make_person(tenant, "Ada@customer.test"), make_person(tenant, "grace@customer.test", "user-1002")
    for person in (ada, grace):
        make_message(campaign, person)
    return ada, grace


@pytest.mark.parametrize(
    ("field", "value", "left"),
    [
        (PersonField.EMAIL, "ada@CUSTOMER.test", ["grace@customer.test"]),
        (PersonField.USER, "user-1001", ["grace@customer.test"]),
        (PersonField.ANONYMOUS, "user-1001", ["Ada@customer.test", "grace@customer.test"]),
        (PersonField.USER, "ada@customer.test", ["Ada@customer.test", "grace@customer.test"]),
    ],
)
def test_person_is_erased_with_the_messages_that_they_got(people, tenant, owner, field, value, left):
    ask_for_person(tenant, field, value, by=owner)
    assert run() == 1
    assert list(Person.objects.order_by("email").values_list("email", flat=True)) == left
    assert Message.objects.count() == len(left)
    gone = {"people of campaigns": 1, "campaign messages": 1} if len(left) == 1 else {}
    assert Erasure.objects.get().counts == gone


def test_people_without_an_id_of_the_customers_stay(tenant, owner):
    make_person(tenant, "guest@customer.test", "")
    ask_for_person(tenant, PersonField.EMAIL, "ada@customer.test", by=owner)
    run()
    assert Person.objects.count() == 1


def test_people_of_another_company_stay(people, tenant, other_tenant, owner):
    make_person(other_tenant, "ada@customer.test")
    ask_for_person(tenant, PersonField.EMAIL, "ada@customer.test", by=owner)
    run()
    assert list(Person.objects.order_by("pk").values_list("tenant", "email")) == [
        (tenant.pk, "grace@customer.test"),
        (other_tenant.pk, "ada@customer.test"),
    ]


def test_events_that_name_only_the_customers_own_id_go_too(people, tenant, source, owner):
    capture_many(tenant.pk, [identify(user_id="user-1001"), identify(user_id="user-1002")])
    ask_for_person(tenant, PersonField.EMAIL, "ada@customer.test", by=owner)
    run()
    assert list(Event.objects.values_list("user_id", flat=True)) == ["user-1002"]
    assert Erasure.objects.get().looked_for == []


def test_ids_that_are_found_later_are_looked_for_too(people, tenant, owner):
    """Segment knows Grace by another id, and told that it is the same person."""
    grace = SegmentPerson.objects.create(
        tenant=tenant, user_id="user-1002", told_at="2026-01-01T00:00Z", seen_at="2026-01-01T00:00Z"
    )
    for user_id in ("user-1002", "old-id"):
        grace.keys.create(tenant=tenant, kind="user", value=user_id)
    ask_for_person(tenant, PersonField.USER, "old-id", by=owner)
    assert run() == 1
    assert list(Person.objects.values_list("email", flat=True)) == ["Ada@customer.test"]
