"""Which id a captured call carries, source by source, and the identify that joins two of them."""

from datetime import UTC, datetime

import orjson
import pytest
from django.db import connection, transaction

from delivery.enums import RefusalReason
from delivery.models import Event, Refusal
from delivery.outbox import capture, capture_many
from integrations import signals
from integrations.anonymous import name_by_email
from integrations.enums import IdentityMode
from integrations.models import AnonymousId
from integrations.signals import EmailActivity, Recipient
from integrations.spec.calls import track
from tests.conftest import OTHER_WRITE_KEY, make_source
from tests.integrations.test_identity import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

CONTEXT = {"yourToolId": "7", "traits": {"email": "Ada@person.test"}}


@pytest.fixture
def anonymous_source(tenant):
    source = make_source(tenant, OTHER_WRITE_KEY, name="Second")
    source.identity = IdentityMode.TOOL_ID
    source.save()
    return source


def opened(user_id=None, **context):
    return track(event="Email Opened", user_id=user_id, properties={"email_id": "e-1"}, context={**CONTEXT, **context})


def captured_calls(source):
    return [orjson.loads(event.payload) for event in Event.objects.filter(source=source).order_by("pk")]


def ids(source):
    return [(call["type"], call.get("userId"), call.get("anonymousId")) for call in captured_calls(source)]


def test_each_source_gets_the_identity_that_it_chose(source, anonymous_source):
    captured = capture(source.tenant_id, opened())
    assert ids(anonymous_source) == [("track", None, "headwater-7")]
    assert ids(source) == []
    assert len(captured.event_ids) == 1
    assert [(each.source_id, each.reason) for each in Refusal.objects.all()] == [(source.pk, RefusalReason.NO_IDENTITY)]


def test_a_known_user_id_goes_to_every_source(source, anonymous_source):
    capture(source.tenant_id, opened("u-7"))
    assert ids(source) == ids(anonymous_source) == [("track", "u-7", None)]


def test_when_the_user_id_becomes_known_one_identify_carries_both(anonymous_source):
    tenant_id = anonymous_source.tenant_id
    for call in (opened(), opened(), opened("u-7"), opened("u-7")):
        capture(tenant_id, call)
    assert ids(anonymous_source) == [
        ("track", None, "headwater-7"),
        ("track", None, "headwater-7"),
        ("identify", "u-7", "headwater-7"),
        ("track", "u-7", None),
        ("track", "u-7", None),
    ]
    identify = captured_calls(anonymous_source)[2]
    assert identify["traits"] == {"email": "ada@person.test"}
    assert identify["context"]["yourToolId"] == "7"
    assert identify["context"]["integration"]["name"] == "headwater"


def test_a_person_who_is_anonymous_and_named_in_one_batch_is_identified(anonymous_source):
    captured = capture_many(anonymous_source.tenant_id, [opened(), opened("u-7")])
    expected = [("track", None, "headwater-7"), ("track", "u-7", None), ("identify", "u-7", "headwater-7")]
    assert ids(anonymous_source) == expected
    assert len(captured.event_ids) == 3


def test_an_anonymous_id_that_was_refused_was_not_sent(anonymous_source):
    """Neither alone nor beside others: what Segment was never sent must not be joined to anybody."""
    refused = {**opened(), "properties": "none"}
    other = opened(yourToolId="8", traits={"email": "bob@person.test"})
    captured = capture_many(anonymous_source.tenant_id, [refused, other, {**opened(), "event": ""}])
    assert len(captured.refused) == 2
    assert list(AnonymousId.objects.values_list("value", flat=True)) == ["headwater-8"]
    assert name_by_email([anonymous_source], {"ada@person.test": "u-7"}) == {}
    capture(anonymous_source.tenant_id, opened("u-7"))
    assert ids(anonymous_source) == [("track", None, "headwater-8"), ("track", "u-7", None)]


def test_a_person_who_was_never_anonymous_is_not_identified(anonymous_source):
    capture(anonymous_source.tenant_id, opened("u-7"))
    assert ids(anonymous_source) == [("track", "u-7", None)]


def test_a_user_id_that_means_nobody_is_not_joined(anonymous_source):
    capture_many(anonymous_source.tenant_id, [opened(), opened("null")])
    assert [kind for kind, _user, _anonymous in ids(anonymous_source)] == ["track", "track"]


def test_a_call_that_no_database_takes_does_not_spoil_its_neighbours(anonymous_source):
    bad = opened(yourToolId="7\x00", traits={"email": "a\ud800"})
    captured = capture_many(anonymous_source.tenant_id, [opened(), bad, opened("u\x00"), opened("u" * 600)])
    assert ids(anonymous_source) == [("track", None, "headwater-7"), ("track", "u" * 600, None)]
    assert len(captured.refused) == 2


def test_an_address_that_is_known_now_names_the_anonymous_once(source, anonymous_source):
    capture(source.tenant_id, opened())
    first = name_by_email([source, anonymous_source], {"ADA@person.test": "u-7"})
    assert [call["anonymousId"] for call in first.pop(anonymous_source.pk)] == ["headwater-7"]
    assert first == {}
    assert name_by_email([source, anonymous_source], {"ada@person.test": "u-7"}) == {}


def test_two_rows_for_one_anonymous_id_are_one_identify(anonymous_source):
    for _twice in range(2):
        AnonymousId(source=anonymous_source, value="headwater-7", tool_id="7", email="ada@person.test").save()
    (call,) = name_by_email([anonymous_source], {"ada@person.test": "u-7"})[anonymous_source.pk]
    assert (call["userId"], call["anonymousId"]) == ("u-7", "headwater-7")


def test_the_same_identify_twice_is_captured_once(anonymous_source):
    """Two rows that two transactions have in hand at once give two calls; the id of the call is the same."""
    for _twice in range(2):
        AnonymousId.objects.all().delete()
        capture(anonymous_source.tenant_id, opened())
        calls = name_by_email([anonymous_source], {"ada@person.test": "u-7"})[anonymous_source.pk]
        signals.calls_due.send(sender=None, source=anonymous_source, calls=calls)
    assert [kind for kind, *_ids in ids(anonymous_source)].count("identify") == 1


@pytest.mark.django_db(transaction=True)
def test_naming_does_not_wait_for_another_transaction(anonymous_source):
    capture(anonymous_source.tenant_id, opened())
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM integrations_anonymousid FOR UPDATE")
    try:
        assert name_by_email([anonymous_source], {"ada@person.test": "u-7"}) == {}
    finally:
        other.rollback()
        other.close()
    assert list(name_by_email([anonymous_source], {"ada@person.test": "u-7"})) == [anonymous_source.pk]


@pytest.mark.parametrize("count", [1, 3])
def test_a_plain_source_costs_no_query_more_for_it(source, django_assert_num_queries, count):
    with transaction.atomic(), django_assert_num_queries(4):
        # savepoint, sources, events, release
        capture_many(source.tenant_id, [opened("u-7")] * count)


@pytest.mark.parametrize("count", [1, 3])
def test_a_source_that_opted_in_costs_one_query_for_strangers_and_one_for_names(
    anonymous_source, django_assert_num_queries, count
):
    with transaction.atomic(), django_assert_num_queries(6):
        capture_many(anonymous_source.tenant_id, [opened("u-7"), opened(yourToolId="8")] * count)


def test_a_signal_about_a_person_from_segment_is_captured_with_segments_user_id(source):
    make_person(source.tenant, "seg-7", "ada@person.test")
    signals.email_opened.send(
        sender=None,
        activity=EmailActivity(
            tenant_id=source.tenant_id,
            recipient=Recipient(email="ada@person.test", tool_id="7", user_id="own-7"),
            occurred_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
            email_id="e-1",
            email_subject="Hello",
            campaign_id="c-1",
            campaign_name="Spring",
        ),
    )
    assert ids(source) == [("track", "seg-7", None)]
