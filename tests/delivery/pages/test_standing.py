from datetime import UTC, datetime, timedelta

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from delivery import lanes
from delivery.batching import new_batch
from delivery.choosing import close
from delivery.enums import BatchState, Hold
from delivery.models import Batch, Event, Lane, Pending, Refusal
from delivery.outbox import capture
from delivery.pages import standing
from delivery.pages.standing import Kind, Standing, standing_of
from delivery.replay import replay
from delivery.replayable import Criteria
from delivery.turn import take_turn
from integrations.confirming import confirm, send_test
from integrations.models import ConnectionTest
from integrations.secrets import Secret
from integrations.services import disconnect_source, pause_source, replace_write_key
from tenants.enums import Role
from tenants.models import Membership
from tests.conftest import OTHER_WRITE_KEY

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
QUIET = {
    "state": "connected", "is_confirmed": True, "is_proven": True, "hold": "", "hold_reason": "", "held_at": None,
    "failures": 0, "not_before": None, "last_accepted_at": None, "waiting": 0, "oldest_waiting": None, "set_aside": 0,
    "quarantined": 0, "paced": 0, "arrived": 0, "refused": False, "refused_lately": 0, "now": NOW,
}  # fmt: skip


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


HELD = {"hold": "key_refused", "held_at": ago(1_680), "hold_reason": "Paste the key."}
STOPPED = {"hold": "staff", "held_at": ago(60), "hold_reason": "Our staff has stopped sending: a test"}
UNVERIFIED = {"is_confirmed": False, "last_accepted_at": ago(12)}
BACKLOG = {"waiting": 1_204, "oldest_waiting": ago(240), "last_accepted_at": ago(9)}


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({}, Kind.NEVER_USED),
        ({"refused": True}, Kind.REFUSED),
        ({"quarantined": 1}, Kind.GIVEN_UP),
        ({"waiting": 1, "oldest_waiting": ago(1)}, Kind.STARTING),
        ({"last_accepted_at": ago(12), "refused": True, "set_aside": 2}, Kind.WORKING),
        ({"last_accepted_at": ago(12), "is_confirmed": False}, Kind.UNVERIFIED),
        ({"waiting": 1, "oldest_waiting": ago(1), "is_confirmed": False}, Kind.STARTING),
        ({**HELD, "last_accepted_at": ago(12), "is_confirmed": False}, Kind.HELD),
        ({"waiting": 1, "oldest_waiting": ago(60), "last_accepted_at": ago(5)}, Kind.WORKING),
        ({"waiting": 1, "oldest_waiting": ago(61), "last_accepted_at": ago(5)}, Kind.BACKLOG),
        ({"waiting": 1, "oldest_waiting": ago(1), "failures": 1}, Kind.FAILING),
        ({"failures": 1, "last_accepted_at": ago(5)}, Kind.WORKING),
        ({**HELD, "failures": 3, "waiting": 9, "oldest_waiting": ago(90)}, Kind.HELD),
        ({**HELD, "state": "paused"}, Kind.PAUSED),
        ({**HELD, "state": "shadow"}, Kind.SHADOW),
        ({"state": "disconnected", "waiting": 3}, Kind.DISCONNECTED),
    ],
)
def test_kind_is_the_first_thing_to_know(facts, kind):
    assert Standing(**QUIET | facts).kind == kind


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"last_accepted_at": ago(12)}, "Working: last event accepted 12 seconds ago."),
        (
            {"last_accepted_at": ago(60), "waiting": 1, "oldest_waiting": ago(1)},
            "Working: last event accepted 1 minute ago, 1 on its way.",
        ),
        (
            UNVERIFIED,
            "Unverified: Segment answers “accepted”, last 12 seconds ago, and it answers so to a wrong key, too",
        ),
        (UNVERIFIED, "nobody has seen an event arrive with this write key and region yet. <a id="),
        (
            {**UNVERIFIED, "is_proven": False, "waiting": 2, "oldest_waiting": ago(1)},
            "Unverified: nothing was accepted with this write key and region yet, 2 on their way. <a id=",
        ),
        ({**HELD}, "Held: Segment refuses the write key since <time"),
        ({**HELD, "waiting": 1_204}, "1,204 events are kept and will be sent when you paste a new one."),
        ({**HELD, "waiting": 1}, "1 event is kept and will be sent when you paste a new one."),
        ({**STOPPED, "waiting": 2}, "Held: By our staff since <time"),
        ({**STOPPED, "waiting": 2}, "2 events are kept and will be sent when this is resolved."),
        ({**STOPPED, "waiting": 2}, "Our staff has stopped sending: a test"),
        ({"last_accepted_at": NOW}, "Working: last event accepted just now."),
        ({**BACKLOG, "paced": 301}, "1,204 events wait, the oldest for 4 minutes."),
        ({**BACKLOG, "paced": 301}, "At the pace of the last minute that is done in about 4 minutes."),
        ({**BACKLOG, "waiting": 1, "paced": 200}, "At the pace of the last minute that is done in about 1 second."),
        ({**BACKLOG, "paced": 602, "arrived": 301}, "At the pace of the last minute that is done in about 4 minutes."),
        ({**BACKLOG, "paced": 301, "arrived": 301}, "as many events came as Segment accepted, or more, so it does not"),
        ({**BACKLOG, "paced": 301, "arrived": 500}, "it does not get shorter."),
        (BACKLOG, "None was accepted in the last minute"),
        ({**BACKLOG, "waiting": 100_000, "paced": 50_000}, "Catching up: more than 100,000 events wait"),
        ({**BACKLOG, "waiting": 100_000, "paced": 50_000}, "that is at least 2 minutes of work."),
        ({**BACKLOG, "failures": 3}, "the last 3 requests to Segment failed; 1,204 events are kept and sent when"),
        ({"state": "shadow", "waiting": 2}, "nothing is sent to Segment. 2 events are kept."),
        ({"state": "paused", "waiting": 2}, "2 events are kept and will be sent when you resume."),
        ({"state": "disconnected", "waiting": 2}, "2 events are kept and will be sent when you reconnect."),
        ({}, "Never used: nothing has happened yet."),
        ({"waiting": 1, "oldest_waiting": ago(1)}, "the first event is on the way"),
        ({"quarantined": 1}, "Segment took none of the events"),
        ({"refused": True, "refused_lately": 2}, "every event was refused before it was sent"),
        ({"last_accepted_at": ago(12), "refused_lately": 1}, "1 event was refused in the last 24 hours, before it was"),
        ({"last_accepted_at": ago(12), "refused_lately": 3}, "3 events were refused in the last 24 hours"),
        ({"last_accepted_at": ago(12), "refused_lately": 1_000}, "1,000 or more events were refused in the last"),
    ],
)
def test_sentence_says_how_it_stands(source, facts, words):
    assert words in sentence(source, facts)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"last_accepted_at": ago(12)}, "Last event accepted 12 seconds ago."),
        ({"last_accepted_at": NOW}, "Last event accepted just now."),
        (UNVERIFIED, "last 12 seconds ago, and nobody has seen an event arrive with this write key and region yet."),
        ({**UNVERIFIED, "is_proven": False}, "Nothing was accepted with this write key and region yet."),
    ],
)
def test_line_says_how_it_stands(source, facts, words):
    context = {"standing": Standing(**QUIET | facts), "source": source, "waits": 0, "tenant": source.tenant}
    assert words in " ".join(render_to_string("delivery/line.html", context).split())


@pytest.mark.django_db
def test_sentence_offers_a_new_key_only_to_who_may_paste_one_and_only_where_it_helps(source):
    assert "Paste a write key" in sentence(source, HELD)
    assert "Paste a write key" not in sentence(source, STOPPED)
    waits = sentence(source, HELD | {"waiting": 2}, may_change=False)
    assert "2 events are kept and will be sent when an owner or admin pastes a new one." in waits
    assert "Paste a write key" not in waits


@pytest.mark.django_db
def test_sentence_leads_only_those_to_the_check_who_may_check(source):
    assert "Check that it arrives" in sentence(source, UNVERIFIED)
    told = sentence(source, UNVERIFIED, may_change=False)
    assert "Check that it arrives" not in told
    assert "An owner or admin can check that it arrives." in told


def sentence(source, facts, *, may_change=True):
    shown = Standing(**QUIET | facts)
    context = {"standing": shown, "source": source, "tenant": source.tenant}
    context["membership"] = Membership(role=Role.ADMIN if may_change else Role.VIEWER)
    html = render_to_string("delivery/sentence.html", context)
    return " ".join(html.replace("<strong>", "").replace("</strong>", "").split())


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_standing_counts_what_waits_and_what_was_given_up(source, call):
    ids = [capture(source.tenant_id, call).event_ids[0] for _ in range(2)]
    capture(source.tenant_id, {**call, "userId": None})
    new_batch(source.pk, source.tenant_id, [10**9, 10**9 + 1], 40)
    for count, state in ((3, BatchState.ACCEPTED), (4, BatchState.SET_ASIDE), (5, BatchState.QUARANTINED)):
        close(new_batch(source.pk, source.tenant_id, range(1_000, 1_000 + count), 40), state, "")
    found = standing_of(source)
    assert (found.waiting, found.paced, found.set_aside, found.quarantined, found.refused) == (4, 3, 4, 5, True)
    assert found.oldest_waiting == Event.objects.get(pk=ids[0]).captured_at
    assert found.counted_all


@pytest.fixture
def backlog(source, call):
    """Two of three events were captured 40 seconds ago, the first long before; others are accepted just now."""
    ids = [capture(source.tenant_id, call).event_ids[0] for _ in range(3)]
    Event.objects.filter(pk__in=ids[1:]).update(captured_at=timezone.now() - timedelta(seconds=40))
    Event.objects.filter(pk=ids[0]).update(captured_at=timezone.now() - timedelta(hours=1))
    close(new_batch(source.pk, source.tenant_id, [10**9, 10**9 + 1], 40), BatchState.ACCEPTED, "")
    return ids


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_standing_of_a_backlog_counts_what_arrives(source, backlog, monkeypatch):
    found = standing_of(source)
    assert (found.kind, found.paced, found.arrived, found.seconds_left) == (Kind.BACKLOG, 2, 2, None)
    # Two in 40 seconds, and no more are looked at, are three in a minute.
    monkeypatch.setattr(standing, "MOST_ARRIVED", 2)
    assert standing_of(source).arrived == 3


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_standing_without_a_backlog_reads_nothing_of_what_arrives(source, backlog):
    Pending.objects.filter(event_id=backlog[0]).delete()
    found = standing_of(source)
    assert (found.waiting, found.arrived) == (2, 0)


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_events_sent_again_wait_since_it_was_asked_for(source, call):
    ids = [capture(source.tenant_id, call).event_ids[0] for _ in range(2)]
    Pending.objects.all().delete()
    Event.objects.update(captured_at=timezone.now() - timedelta(days=25))
    close(new_batch(source.pk, source.tenant_id, ids, 40), BatchState.ACCEPTED, "")
    replay(source, Criteria(event_ids=ids), token="once", requested_by="somebody")
    again = Batch.objects.get(state=BatchState.OPEN)
    found = standing_of(source)
    assert (found.kind, found.waiting, found.oldest_waiting) == (Kind.STARTING, 2, again.waiting_since)

    close(again, BatchState.SPLIT, "")
    for each in ids:
        new_batch(source.pk, source.tenant_id, [each], 20, parent=again, waiting_since=again.waiting_since)
    assert standing_of(source).oldest_waiting == again.waiting_since

    # What was captured before and never sent is older.
    Pending.objects.create(source=source, event_id=ids[0], bytes=20)
    assert standing_of(source).oldest_waiting == Event.objects.get(pk=ids[0]).captured_at


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_standing_stops_counting_a_long_backlog(source, call, monkeypatch):
    monkeypatch.setattr(standing, "MOST_COUNTED", 2)
    for _ in range(3):
        capture(source.tenant_id, call)
    found = standing_of(source)
    assert (found.waiting, found.counted_all) == (2, False)


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_standing_counts_what_was_refused_in_a_day_and_stops_at_many(source, call, monkeypatch):
    for _ in range(4):
        capture(source.tenant_id, {**call, "userId": None})
    Refusal.objects.filter(pk=Refusal.objects.latest("pk").pk).update(refused_at=timezone.now() - timedelta(hours=25))
    assert standing_of(source).refused_lately == 3
    monkeypatch.setattr(standing, "MOST_REFUSED", 2)
    assert standing_of(source).refused_lately == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_standing_of_a_lane_that_is_held_or_waits(source):
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    Lane.objects.update(failures=2, not_before=datetime(2099, 1, 1, tzinfo=UTC))
    found = standing_of(source)
    assert (found.kind, found.hold_label, found.failures) == (Kind.HELD, "Segment refuses the write key", 2)
    assert found.not_before == datetime(2099, 1, 1, tzinfo=UTC)
    Lane.objects.update(not_before=datetime(2001, 1, 1, tzinfo=UTC))
    assert standing_of(source).not_before is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("everything", "segment")
def test_source_is_said_to_work_only_once_somebody_has_seen_an_event_of_its_key_arrive(source, call):
    def found():
        standing = standing_of(source)
        return standing.kind, standing.is_proven

    capture(source.tenant_id, call)
    take_turn([source.pk])
    assert found() == (Kind.UNVERIFIED, True)
    send_test(source)
    confirm(source, ConnectionTest.objects.get().code)
    take_turn([source.pk])
    assert found() == (Kind.WORKING, True)
    replace_write_key(source, Secret(OTHER_WRITE_KEY))
    assert found() == (Kind.UNVERIFIED, False)
    capture(source.tenant_id, call)
    take_turn([source.pk])
    assert found() == (Kind.UNVERIFIED, True)


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_standing_of_a_source_without_a_lane(source):
    Lane.objects.all().delete()
    assert standing_of(source).kind == Kind.NEVER_USED


@pytest.mark.django_db
@pytest.mark.parametrize(("act", "kind"), [(pause_source, Kind.PAUSED), (disconnect_source, Kind.DISCONNECTED)])
def test_standing_follows_the_source(source, act, kind):
    act(source)
    assert standing_of(source).kind == kind


@pytest.mark.django_db
def test_standing_is_one_query(source, django_assert_num_queries):
    with django_assert_num_queries(1):
        standing_of(source)
