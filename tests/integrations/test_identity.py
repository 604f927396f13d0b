from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from integrations.identity import identified
from integrations.models import Person, PersonKey
from integrations.people import known_user_ids
from integrations.signals import EmailActivity, Recipient
from tenants.models import Tenant
from tenants.scoping import scope

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def activity(tenant, *, email="ada@person.test", user_id=None, tool_id="7"):
    return EmailActivity(
        tenant_id=tenant.pk,
        recipient=Recipient(email=email, tool_id=tool_id, user_id=user_id),
        occurred_at=NOW,
        email_id="e-1",
        email_subject="Hello",
        campaign_id="c-1",
        campaign_name="Spring",
    )


def make_person(tenant: Tenant, user_id: str = "", email: str = "", *, keys=(), told_at=NOW) -> Person:
    person = Person(tenant=tenant, user_id=user_id, email=email, told_at=told_at, seen_at=told_at)
    person.save()
    for kind, value in [*keys, *([("user", user_id)] if user_id else [])]:
        PersonKey(tenant=tenant, person=person, kind=kind, value=value).save()
    return person


def test_a_recipient_whom_segment_never_sent_stays_as_the_product_knows_them(tenant):
    known, unknown = activity(tenant, user_id="own-7"), activity(tenant)
    assert identified(known) is known
    assert identified(unknown) is unknown


@pytest.mark.parametrize("email", ["ada@person.test", " Ada@Person.TEST"])
def test_a_recipient_known_by_address_gets_the_user_id_of_segment(tenant, email):
    make_person(tenant, "seg-7", "ada@person.test")
    asked = activity(tenant, email=email, user_id="own-7")
    assert identified(asked) == replace(asked, recipient=replace(asked.recipient, user_id="seg-7"))


def test_a_recipient_known_by_the_customers_id_gets_what_it_has_become(tenant):
    make_person(tenant, "new-7", keys=[("user", "own-7")])
    assert identified(activity(tenant, user_id="own-7")).recipient.user_id == "new-7"


def test_a_recipient_known_by_the_anonymous_id_of_ours_is_found(tenant):
    make_person(tenant, "seg-7", keys=[("anonymous", "headwater-7")])
    assert identified(activity(tenant)).recipient.user_id == "seg-7"


def test_the_customers_id_goes_before_the_address_and_that_before_the_anonymous_id(tenant):
    make_person(tenant, "by-tool", keys=[("anonymous", "headwater-7")])
    make_person(tenant, "by-email", "ada@person.test")
    assert identified(activity(tenant)).recipient.user_id == "by-email"
    make_person(tenant, "own-7")
    assert identified(activity(tenant, user_id="own-7")).recipient.user_id == "own-7"


def test_of_two_people_with_one_address_the_newest_word_counts(tenant):
    make_person(tenant, "newer", "ada@person.test", told_at=NOW + timedelta(hours=1))
    make_person(tenant, "older", "ada@person.test")
    assert identified(activity(tenant)).recipient.user_id == "newer"


def test_people_without_a_user_id_identify_nobody(tenant):
    make_person(tenant, email="ada@person.test", keys=[("anonymous", "headwater-7")])
    assert identified(activity(tenant)).recipient.user_id is None


def test_people_without_an_address_are_nobodys_match(tenant):
    make_person(tenant, "seg-7")
    assert identified(activity(tenant, email="")).recipient.user_id is None


def test_the_people_of_another_tenant_are_not_looked_at(tenant, other_tenant):
    make_person(other_tenant, "seg-7", "ada@person.test", keys=[("user", "own-7"), ("anonymous", "headwater-7")])
    assert identified(activity(tenant, user_id="own-7")).recipient.user_id == "own-7"
    assert known_user_ids(tenant.pk, ["ada@person.test"]) == {}


def test_identifying_is_one_query(tenant, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(3):  # two of them the savepoint
        identified(activity(tenant))


def test_an_error_of_the_look_up_leaves_the_callers_transaction_whole(tenant, people_locked):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(OperationalError):
            identified(activity(tenant))
        assert Tenant.objects.filter(pk=tenant.pk).exists()


@pytest.fixture
def people_locked():
    """Somebody else has shut the table of people."""
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE integrations_person")
    yield
    other.rollback()
    other.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportActivity:
    tenant_id: int
    person: Recipient
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodysActivity:
    tenant_id: int


def test_the_activity_of_any_product_is_identified(tenant):
    make_person(tenant, "seg-7", "ada@person.test")
    asked = ReportActivity(tenant_id=tenant.pk, person=Recipient(email="ada@person.test", tool_id="7"), rows=3)
    assert identified(asked).person.user_id == "seg-7"


@pytest.mark.parametrize("asked", [NobodysActivity(tenant_id=1), {"tenant_id": 1}, None])
def test_an_activity_about_nobody_is_left_alone(asked):
    assert identified(asked) is asked


def test_known_user_ids_are_by_address_the_newest_word(tenant, django_assert_num_queries):
    make_person(tenant, "old", "ada@person.test")
    make_person(tenant, "new", "ada@person.test", told_at=timezone.now())
    make_person(tenant, "", "eve@person.test")
    with scope(tenant.pk), django_assert_num_queries(1):
        known = known_user_ids(tenant.pk, ["Ada@person.test", "eve@person.test", "nobody@person.test", ""])
    assert known == {"ada@person.test": "new"}
