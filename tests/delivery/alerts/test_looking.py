from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from delivery.alerts.enums import IncidentKind
from delivery.alerts.looking import Look, look_around, troubles
from delivery.alerts.models import AlertLimits, Incident
from delivery.enums import Hold, RefusalReason
from delivery.expiry import Owed, warn
from delivery.models import Batch, Event, Lane, Pending, Refusal
from delivery.outbox import capture
from integrations.confirming import Answer, confirm
from integrations.enums import Region
from integrations.models import ConnectionTest, Source
from integrations.secrets import Secret
from integrations.services import (
    change_region,
    choose_what_is_sent,
    disconnect_source,
    enter_shadow,
    pause_source,
    rename_source,
    replace_write_key,
    resume_source,
)
from integrations.spec.calls import track
from tests.conftest import OTHER_WRITE_KEY, make_source
from tests.delivery.alerts.conftest import REASON, at_once, hold, release

pytestmark = pytest.mark.django_db

OPENED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
USUAL = {
    "source_id": 1, "tenant_id": 1, "state": "connected", "hold": "", "hold_reason": "", "last_accepted_at": None,
    "waited": None, "refused": 0, "most_minutes": 30, "most_refused": 100,
}  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "known", "kinds"),
    [
        ({}, [], []),
        ({"hold": "key_refused"}, [], ["key_refused"]),
        ({"hold": "key_malformed"}, [], ["key_refused"]),
        ({"hold": "key_unreadable"}, [], ["held"]),
        ({"hold": "rejected_repeatedly"}, [], ["held"]),
        ({"hold": "staff"}, [], ["held"]),
        ({"hold": "key_refused", "state": "paused"}, [], []),
        ({"hold": "key_refused", "waited": 500.0}, [], ["key_refused"]),
        ({"waited": 30.0}, [], []),
        ({"waited": 30.1}, [], ["backlog"]),
        ({"waited": 15.1}, ["backlog"], ["backlog"]),
        ({"waited": 15.0}, ["backlog"], []),
        ({"waited": 90.0, "state": "paused"}, ["backlog"], []),
        ({"waited": 90.0, "state": "shadow"}, [], []),
        ({"refused": 100}, [], []),
        ({"refused": 101}, [], ["refusals"]),
        ({"refused": 101, "state": "shadow"}, [], ["refusals"]),
        ({"refused": 51}, ["refusals"], ["refusals"]),
        ({"refused": 50}, ["refusals"], []),
        ({"refused": 101, "state": "disconnected"}, ["refusals"], []),
        # A new key is no recovery before something was accepted with it.
        ({"waited": 1.0}, ["key_refused"], ["key_refused"]),
        ({"waited": 1.0, "last_accepted_at": OPENED - timedelta(minutes=1)}, ["key_refused"], ["key_refused"]),
        ({"waited": 1.0, "last_accepted_at": OPENED + timedelta(minutes=1)}, ["key_refused"], []),
        ({}, ["key_refused"], []),
    ],
)
def test_troubles_of_a_source(seen, known, kinds):
    incidents = {IncidentKind(kind): Incident(kind=kind, reason="Before.", opened_at=OPENED) for kind in known}
    assert sorted(troubles(Look(**(USUAL | seen)), incidents)) == kinds


def all_incidents():
    """Source, kind, whether it is open, and whether something of it is still to be told."""
    incidents = Incident.objects.select_related("source").order_by("pk")
    return [(each.source.name, each.kind, each.closed_at is None, each.is_news) for each in incidents]


def an_event(source, minutes):
    """One that has waited so long; the source was last changed before."""
    capture(source.tenant_id, track(event="Order Completed", user_id="u-1"), sources=[source], strict=True)
    then = timezone.now() - timedelta(minutes=minutes)
    Event.objects.filter(source=source).update(captured_at=then)
    Source.objects.filter(pk=source.pk).update(changed_at=then - timedelta(hours=1))


def refusals(source, count):
    Refusal.objects.bulk_create(
        Refusal(tenant_id=source.tenant_id, source=source, reason=RefusalReason.SPEC, refused_at=timezone.now())
        for _ in range(count)
    )


def told():
    Incident.objects.update(is_news=False, told_at=timezone.now())


def test_nothing_wrong_opens_nothing(source):
    look_around()
    assert all_incidents() == []


def test_hold_is_one_incident_however_often_it_is_seen(source, other_source):
    hold(source)
    look_around()
    look_around()
    assert all_incidents() == [("Main", "key_refused", True, True)]
    assert Incident.objects.get().reason == REASON


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_open_one_incident(source):
    hold(source)
    at_once(look_around, 3)
    assert all_incidents() == [("Main", "key_refused", True, True)]


def test_backlog_opens_at_the_limit_of_the_tenant(source, other_source):
    an_event(source, 20)
    an_event(other_source, 20)
    AlertLimits.objects.create(tenant=source.tenant, backlog_minutes=10)
    look_around()
    incident = Incident.objects.get()
    assert (incident.source, incident.kind) == (source, "backlog")
    assert incident.reason == "The oldest event has been waiting for 20 minutes."


def paused_and_resumed(source):
    pause_source(source)
    resume_source(source)


def with_a_new_key(source):
    replace_write_key(source, Secret(OTHER_WRITE_KEY))


def in_another_region(source):
    change_region(source, Region.EU)


def renamed(source):
    rename_source(source, "Main")


def sent_less(source):
    choose_what_is_sent(source, identity=source.identity, events_off=["Email Opened"], property_rules={})


def confirmed(source):
    ConnectionTest.objects.create(source=source, version=source.version, code="ABC234", sent_at=timezone.now())
    assert confirm(source, "ABC234") is Answer.CONFIRMED


@pytest.mark.parametrize("change", [paused_and_resumed, with_a_new_key, in_another_region])
def test_backlog_counts_from_the_last_change_that_sending_depends_on(source, change):
    an_event(source, 90)
    change(source)
    look_around()
    assert all_incidents() == []


@pytest.mark.parametrize("change", [renamed, sent_less, confirmed])
def test_other_changes_put_no_backlog_off(source, change):
    an_event(source, 90)
    change(source)
    look_around()
    assert all_incidents() == [("Main", "backlog", True, True)]


@pytest.mark.parametrize("change", [paused_and_resumed, with_a_new_key, in_another_region, renamed])
def test_backlog_that_is_known_is_not_over_by_a_change_of_the_source(source, change):
    an_event(source, 90)
    look_around()
    told()
    change(source)
    look_around()
    assert all_incidents() == [("Main", "backlog", True, False)]


def test_backlog_counts_what_open_batches_have_waited(source):
    Batch.objects.create(
        tenant=source.tenant, source=source, event_ids=[1], event_count=1, bytes=1, created_at=timezone.now(),
        waiting_since=timezone.now() - timedelta(minutes=40),
    )  # fmt: skip
    Source.objects.filter(pk=source.pk).update(changed_at=timezone.now() - timedelta(hours=2))
    look_around()
    assert all_incidents() == [("Main", "backlog", True, True)]


def test_refusals_are_counted_of_the_last_hour(source):
    AlertLimits.objects.create(tenant=source.tenant, refused_an_hour=3)
    refusals(source, 3)
    look_around()
    assert all_incidents() == []
    refusals(source, 1)
    look_around()
    assert all_incidents() == [("Main", "refusals", True, True)]
    Refusal.objects.update(refused_at=timezone.now() - timedelta(minutes=61))
    look_around()
    assert all_incidents() == [("Main", "refusals", False, True)]


def test_recovery_is_news(source):
    hold(source)
    look_around()
    told()
    release(source)
    look_around()
    assert all_incidents() == [("Main", "key_refused", False, True)]


def test_sending_that_recovers_is_news_while_refusals_go_on(source):
    hold(source)
    refusals(source, 101)
    look_around()
    told()
    release(source)
    look_around()
    assert all_incidents() == [("Main", "key_refused", False, True), ("Main", "refusals", True, False)]


def test_backlog_that_is_over_is_news_while_refusals_go_on(source):
    an_event(source, 90)
    refusals(source, 101)
    look_around()
    told()
    Pending.objects.all().delete()
    look_around()
    assert all_incidents() == [("Main", "backlog", False, True), ("Main", "refusals", True, False)]


def test_refusals_that_end_are_news_while_the_key_is_refused(source):
    hold(source)
    refusals(source, 101)
    look_around()
    told()
    Refusal.objects.all().delete()
    look_around()
    assert all_incidents() == [("Main", "key_refused", True, False), ("Main", "refusals", False, True)]


@pytest.mark.parametrize("stop", [pause_source, disconnect_source, enter_shadow])
def test_a_source_that_is_stopped_has_not_recovered(source, stop):
    hold(source)
    look_around()
    told()
    stop(source)
    look_around()
    assert all_incidents() == [("Main", "key_refused", False, False)]


def test_one_hold_after_another_is_no_recovery(source):
    hold(source)
    look_around()
    told()
    hold(source, Hold.KEY_UNREADABLE, "It cannot be read.")
    look_around()
    assert all_incidents() == [("Main", "key_refused", False, False), ("Main", "held", True, True)]


def test_retention_warning_is_an_incident_that_stands_with_it(source):
    owed = Owed(source.pk, source.tenant_id, 100, 1_200, 0, 34, None)
    assert warn(owed, 1, datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    assert not warn(owed, 1, datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    incident = Incident.objects.get()
    assert (incident.kind, incident.source, incident.is_news) == ("retention", source, True)
    assert incident.reason == (
        "The first warning: 1,234 old events were never accepted by Segment. They expire unsent, not before "
        "01 December 2026, 08:00 UTC."
    )


@pytest.mark.parametrize("sources", [1, 5])
def test_looking_costs_the_same_queries_for_any_number_of_sources(tenant, django_assert_num_queries, sources):
    for number in range(sources):
        hold(make_source(tenant, OTHER_WRITE_KEY, name=f"S{number}"))
    # Open incidents, the look; the new ones, and those that are over.
    with django_assert_num_queries(3):
        look_around()
    with django_assert_num_queries(2):
        look_around()
    assert Lane.objects.count() == Incident.objects.count() == sources
    Lane.objects.update(hold="", hold_reason="", held_at=None)
    with django_assert_num_queries(3):
        look_around()
    assert Incident.objects.filter(closed_at=None).count() == 0


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_close_many_incidents_once(tenant):
    for number in range(20):
        hold(make_source(tenant, OTHER_WRITE_KEY, name=f"S{number}"))
    look_around()
    Lane.objects.update(hold="", hold_reason="", held_at=None)
    at_once(look_around, 3)
    assert Incident.objects.filter(closed_at=None).count() == 0
    assert Incident.objects.count() == 20


def test_one_look_tells_apart_what_recovered_and_what_was_stopped(source, other_source):
    for each in (source, other_source):
        hold(each)
    look_around()
    told()
    release(source)
    pause_source(other_source)
    look_around()
    news = dict(Incident.objects.values_list("source_id", "is_news"))
    assert news == {source.pk: True, other_source.pk: False}
