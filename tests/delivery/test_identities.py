import pytest
from django.db import connection
from django.urls import reverse

from delivery import identities
from delivery.identities import Identities, identities_of
from delivery.outbox import capture, capture_many
from integrations.enums import IdentityMode
from integrations.spec.calls import track
from tests.integrations.test_identity import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

NOTHING = Identities(segments=0, customers=0, anonymous=0, nobodys=0, own=0, addresses=0, segment_tells=False)


def opened(user_id=None, tool_id="7"):
    context = {"yourToolId": tool_id, "traits": {"email": "ada@person.test"}}
    return track(event="Email Opened", user_id=user_id, properties={"email_id": "e-1"}, context=context)


def days_ago(table, moment, days):
    """Events are never updated but here: to have happened before."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {moment} = {moment} - make_interval(days => %s)", [days])


def test_a_source_without_events_has_no_shares(source):
    found = identities_of(source)
    assert found == NOTHING
    assert (found.shares, found.warnings) == ([], [])


def test_events_are_counted_by_the_kind_of_identity(source):
    make_person(source.tenant, "seg-7")
    source.identity = IdentityMode.TOOL_ID
    source.save()
    capture_many(source.tenant_id, [opened("seg-7"), opened("own-8"), opened("own-9")])
    capture_many(source.tenant_id, [opened(tool_id="10"), opened(tool_id="11")])
    capture(source.tenant_id, track(event="Email Opened", properties={"email_id": "e-1"}))
    found = identities_of(source)
    assert (found.segments, found.customers, found.anonymous, found.nobodys) == (1, 2, 2, 1)
    assert [(share.kind, share.percent) for share in found.shares] == [
        ("userId that Segment has sent us", 17),
        ("userId that you have given", 33),
        ("anonymousId", 33),
        ("None: refused", 17),
    ]
    assert found.warnings == []


def test_a_call_that_got_an_anonymous_id_and_was_refused_is_no_share(source):
    source.identity = IdentityMode.TOOL_ID
    source.save()
    captured = capture_many(source.tenant_id, [opened(), {**opened(), "event": ""}, opened("u-7")])
    assert len(captured.refused) == 1
    found = identities_of(source)
    assert (found.customers, found.anonymous, found.nobodys, found.total) == (2, 1, 0, 3)  # one is the identify


def test_only_the_last_days_and_the_newest_events_count(source, monkeypatch):
    capture_many(source.tenant_id, [opened("u-1"), opened()])
    days_ago("delivery_event", "captured_at", 8)
    days_ago("delivery_refusal", "refused_at", 8)
    assert identities_of(source) == NOTHING
    capture_many(source.tenant_id, [opened("u-1")] * 3)
    monkeypatch.setattr(identities, "MOST", 2)
    assert identities_of(source).customers == 2


def test_the_events_of_other_sources_are_not_counted(source, other_source):
    capture_many(other_source.tenant_id, [opened("u-1"), opened()])
    make_person(other_source.tenant, "u-1")
    assert identities_of(source) == NOTHING


def test_ids_that_are_no_customers_ids_are_warned_of(source):
    capture_many(source.tenant_id, [opened("7"), opened("ada@person.test"), opened("own-7")])
    own, address = identities_of(source).warnings
    assert own.startswith("1 of 3 events carry our own id of the person as userId.")
    assert address.startswith("1 of 3 events carry an email address as userId.")


def test_ids_that_segment_does_not_know_are_warned_of_once_it_tells(source):
    capture(source.tenant_id, opened("own-7"))
    make_person(source.tenant, "seg-1")
    (warning,) = identities_of(source).warnings
    assert warning.startswith("None of these userIds is one that your Segment workspace has told us.")


def test_an_erased_event_is_not_counted(source):
    capture(source.tenant_id, opened("u-1"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_event SET payload = ''")
    assert identities_of(source) == NOTHING


@pytest.mark.parametrize("count", [1, 3])
def test_the_shares_are_one_query(source, django_assert_num_queries, count):
    capture_many(source.tenant_id, [opened("u-1")] * count)
    with django_assert_num_queries(1):
        identities_of(source)


def test_the_page_of_the_source_shows_them(source, viewer_client):
    address = reverse("integrations:source", args=["acme", source.pk])
    assert "Nothing has happened in the last 7 days." in viewer_client.get(address).content.decode()
    capture_many(source.tenant_id, [opened("7"), opened("u-2")])
    page = viewer_client.get(address).content.decode()
    assert "<td>userId that you have given</td><td>2</td><td>100 %</td>" in page
    assert "1 of 2 events carry our own id of the person as userId." in page
