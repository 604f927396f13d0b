"""Partitions of the test's own: the times of the log's first ones are put back, rows are made as capture and cut do."""

import json
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.urls import reverse

from delivery import expiry, lanes, retention
from delivery.batching import cut, new_batch
from delivery.clock import database_now
from delivery.enums import BatchState
from delivery.expiry import retention_warned
from delivery.models import (
    Attempt,
    Batch,
    Event,
    EventPartition,
    Lane,
    MessageKey,
    Pending,
    RateHold,
    Refusal,
    Replay,
    RetentionWarning,
)
from delivery.outbox import capture
from delivery.partitions import attach, keep_ahead, make_room, place
from delivery.retention import Report, drop, preview, run
from integrations.services import pause_source
from tests.conftest import OTHER_WRITE_KEY, make_source
from tests.delivery.steps import Gate, in_thread, sure
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]
SIZE = 5_000_000
IN_THE_SECOND = SIZE + 1


@pytest.fixture
def log(db):
    """Capture is in the second partition; the first is full since today."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SEQUENCE delivery_event_id_seq RESTART WITH {IN_THE_SECOND + 1}")
    keep_ahead()


def days_pass(days):
    for model, fields in (
        (EventPartition, ["opened_at", "passed_at"]),
        (RetentionWarning, ["warned_at", "expires_at", "ended_at"]),
        (Batch, ["waiting_since", "created_at", "closed_at"]),
    ):
        for row in model.objects.all():
            changed = {name: getattr(row, name) - timedelta(days=days) for name in fields if getattr(row, name)}
            model.objects.filter(pk=row.pk).update(**changed)


def old_event(source, event_id, *, waiting=False):
    """An event of the first partition."""
    now = database_now()
    event = Event(
        id=event_id, tenant_id=source.tenant_id, source_id=source.pk, message_id=uuid.uuid4(), type="track",
        name="Email Opened", user_id="u-1", payload="{}", bytes=2, occurred_at=now, captured_at=now,
    )  # fmt: skip
    event.save(force_insert=True)
    if waiting:
        Pending(source_id=source.pk, event_id=event_id, bytes=2).save(force_insert=True)
    return event_id


def old_batch(source, event_ids, state="accepted", **columns):
    closed = {} if state == "open" else {"closed_at": database_now()}
    return new_batch(source.pk, source.tenant_id, event_ids, 2, state=state, **closed, **columns)


def partitions_left():
    return set(EventPartition.objects.filter(passed_at__isnull=False).values_list("first_id", flat=True))


def states(source):
    return list(Batch.objects.filter(source=source).order_by("pk").values_list("state", "event_ids"))


@pytest.mark.parametrize("state", ["accepted", "discarded", "replayed", "split"])
def test_partition_past_its_retention_is_dropped_when_its_events_are_done_with(log, source, state):
    old_batch(source, [old_event(source, 7)], state)
    days_pass(29)
    assert run().partitions == 0
    days_pass(1)
    assert run().partitions == 1
    assert (1 in partitions_left(), Event.objects.count()) == (False, 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('delivery_event_1')")
        assert cursor.fetchone() == (None,)


@pytest.mark.parametrize("state", ["set_aside", "quarantined"])
def test_what_was_accepted_before_and_is_given_up_again_is_not_owed(log, source, told, state):
    event_ids = [old_event(source, 7)]
    for each, again in (("accepted", False), (state, True)):
        old_batch(source, event_ids, each, again=again)
    days_pass(27)
    assert run() == Report()
    days_pass(4)
    assert preview() == run() == Report(partitions=1)
    days_pass(60)
    assert run().batches == 2
    assert (told, Batch.objects.count()) == ([], 0)


@pytest.mark.parametrize("state", ["open", "set_aside", "quarantined"])
def test_partition_stays_while_a_batch_owes_one_of_its_events(log, source, state):
    old_batch(source, [old_event(source, 7)], state)
    days_pass(31)
    report = run()
    assert (report.partitions, report.blocked) == (0, 1)
    assert Event.objects.count() == 1


def test_partition_stays_while_one_of_its_events_waits(log, source):
    old_event(source, 7, waiting=True)
    days_pass(31)
    assert (run().blocked, Event.objects.count()) == (1, 1)


def test_partition_stays_while_a_batch_that_reaches_into_it_is_owed(log, source):
    old_batch(source, [old_event(source, SIZE), IN_THE_SECOND], "set_aside")
    days_pass(31)
    assert run().blocked == 1


def test_partition_goes_whatever_a_deleted_source_left_in_it(log, source):
    old_event(source, 7, waiting=True)
    source.delete()
    days_pass(31)
    assert run().partitions == 1


def test_partition_in_use_is_never_dropped(log, source, call):
    capture(source.tenant_id, call)
    EventPartition.objects.filter(first_id=IN_THE_SECOND).update(opened_at=database_now() - timedelta(days=400))
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('delivery_event_5000001') IS NOT NULL")
        assert cursor.fetchone() == (True,)
    assert run().partitions == 0
    assert Event.objects.count() == 1


def test_run_turns_the_page_of_an_old_partition(log, source, call):
    capture(source.tenant_id, call)
    keep_ahead()
    days_pass(3)
    run()
    assert place().next_id == 2 * SIZE + 1


# Warnings and expiry.


@pytest.fixture
def told():
    """The warnings that the signal brought, by number, source and events."""
    heard = []

    def hear(*, warning, **_kwargs):
        heard.append((warning.number, warning.source_id, warning.events))

    retention_warned.connect(hear)
    yield heard
    retention_warned.disconnect(hear)


@pytest.fixture
def paused(log, source):
    """A paused source that owes four events: one waits, one is in an open batch, one set aside, one quarantined."""
    old_event(source, 7, waiting=True)
    for event_id, state in ((8, "open"), (9, "set_aside"), (10, "quarantined")):
        old_batch(source, [old_event(source, event_id)], state, reason="Segment said no." if event_id > 8 else "")
    pause_source(source)
    return source


def test_tenant_is_warned_twice_and_then_the_events_expire_with_their_reason(paused, told):
    days_pass(23)
    assert run() == Report()
    days_pass(1)
    assert run() == Report(warnings=1)
    assert run() == Report()
    days_pass(3)
    assert run() == Report(warnings=1)
    days_pass(2)
    assert run() == Report()
    assert told == [(1, paused.pk, 4), (2, paused.pk, 4)]
    days_pass(1)
    report = run()
    assert (report.warnings, report.expired_events, report.partitions, report.blocked) == (0, 4, 1, 0)
    assert sorted(states(paused)) == [("discarded", [event_id]) for event_id in (7, 8, 9, 10)]
    warned = [f"{at:%Y-%m-%d}" for at in RetentionWarning.objects.order_by("pk").values_list("warned_at", flat=True)]
    expired = f"Expired after 30 days without being accepted; warned on {warned[0]} and {warned[1]}."
    assert (
        sorted(Batch.objects.values_list("reason", flat=True))
        == [expired] * 2 + [f"{expired} Before: Segment said no."] * 2
    )
    assert not RetentionWarning.objects.filter(ended_at=None).exists()
    assert not Pending.objects.exists()


def test_what_expires_has_waited_until_then_unless_it_was_given_up(paused):
    for days in (24, 3):
        days_pass(days)
        run()
    days_pass(3)
    Event.objects.update(captured_at=database_now() - timedelta(days=30))
    assert run().expired_events == 4
    waited = {tuple(batch.event_ids): sure(batch.closed_at) - batch.waiting_since for batch in Batch.objects.all()}
    assert {ids: time.days for ids, time in waited.items()} == {(7,): 30, (8,): 30, (9,): 0, (10,): 0}


def test_late_first_warning_puts_the_end_off(paused):
    days_pass(300)
    assert (run().warnings, run().expired_events) == (1, 0)
    days_pass(3)
    assert (run().warnings, run().expired_events) == (1, 0)
    days_pass(2)
    assert run().expired_events == 0
    days_pass(1)
    assert run().expired_events == 4


def test_nobody_is_warned_twice_of_what_was_sent_after_the_first_warning(paused, told):
    days_pass(24)
    run()
    Pending.objects.all().delete()
    Batch.objects.update(state="accepted", closed_at=database_now())
    days_pass(3)
    assert run().warnings == 0
    assert [number for number, _, _ in told] == [1]
    assert not RetentionWarning.objects.filter(ended_at=None).exists()


def test_events_of_younger_partitions_do_not_expire(paused, call):
    younger = capture(paused.tenant_id, call).event_ids
    for days in (24, 3, 3):
        days_pass(days)
        run()
    assert list(Pending.objects.values_list("event_id", flat=True)) == younger


def test_sources_are_warned_each_of_their_own_events(paused, other_source, told):
    old_event(other_source, 11, waiting=True)
    pause_source(other_source)
    days_pass(24)
    run()
    assert told == [(1, paused.pk, 4), (1, other_source.pk, 1)]
    assert list(RetentionWarning.objects.values_list("tenant_id", flat=True)) == [
        paused.tenant_id,
        other_source.tenant_id,
    ]


def test_next_first_warning_of_a_source_waits_for_a_day(paused, told):
    days_pass(24)
    run()
    old_event(paused, 2 * SIZE, waiting=True)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SEQUENCE delivery_event_id_seq RESTART WITH {2 * SIZE + 5}")
    keep_ahead()
    EventPartition.objects.filter(first_id=IN_THE_SECOND).update(passed_at=database_now() - timedelta(days=24))
    assert run().warnings == 0
    days_pass(1)
    assert run().warnings == 1
    assert told == [(1, paused.pk, 4), (1, paused.pk, 1)]


def test_expiry_leaves_a_lane_at_work_alone_and_takes_it_the_next_time(paused):
    for days in (24, 3, 3):
        days_pass(days)
        Lane.objects.update(leased_until=database_now() + timedelta(seconds=45), lease_token=uuid.uuid4())
        report = run()
    assert (report.expired_events, report.blocked) == (2, 1)
    Lane.objects.update(leased_until=None, lease_token=None)
    assert (run().expired_events, 1 in partitions_left()) == (2, False)


def test_expiry_goes_on_where_the_time_was_over(paused):
    for event_id in range(100, 2_700):
        Pending(source_id=paused.pk, event_id=event_id, bytes=2).save(force_insert=True)
    for days in (24, 3):
        days_pass(days)
        run()
    days_pass(3)
    assert run(seconds=0).expired_events == 0
    assert run().expired_events == 2_604
    assert sorted(Batch.objects.filter(event_count__gt=1).values_list("event_count", flat=True)) == [101, 2_500]


def test_two_runs_warn_once(paused, told):
    days_pass(24)
    what = expiry.unwarned(IN_THE_SECOND, database_now())
    assert [expiry.warn(what[0], 1, database_now()) for _ in range(2)] == [True, False]
    assert len(told) == 1


def test_unwarned_is_the_same_number_of_queries_for_any_number(paused, tenant, django_assert_num_queries):
    days_pass(24)
    for number in range(3):
        another = make_source(tenant, OTHER_WRITE_KEY, name=f"Source {number}")
        old_event(another, 20 + number, waiting=True)
    now = database_now()
    with django_assert_num_queries(2):
        assert len(expiry.unwarned(IN_THE_SECOND, now)) == 4


# The page.


@pytest.mark.parametrize(
    ("client_of", "status"), [("viewer_client", 200), ("admin_client", 200), ("stranger_client", 404)]
)
def test_page_warns_those_of_the_tenant(paused, request, client_of, status):
    days_pass(24)
    run()
    client = request.getfixturevalue(client_of)
    page = client.get(reverse("delivery:delivery", args=[paused.tenant.slug, paused.pk]))
    assert page.status_code == status
    assert ("4 old events will expire unsent." in page.content.decode()) == (status == 200)


def test_page_says_what_to_do_and_nothing_once_it_is_over(paused, viewer_client):
    days_pass(24)
    run()
    address = reverse("delivery:delivery", args=[paused.tenant.slug, paused.pk])
    assert "Resume the source to send what waits." in viewer_client.get(address).content.decode()
    RetentionWarning.objects.update(ended_at=database_now())
    assert "expire unsent" not in viewer_client.get(address).content.decode()


# The rest.


def test_batches_go_after_their_events_with_their_requests(log, source):
    whole = old_batch(source, [old_event(source, 7), old_event(source, 8)], "split")
    old_batch(source, [7], parent=whole)
    kept = old_batch(source, [8], parent=whole)
    for batch in Batch.objects.all():
        Attempt(
            batch=batch, source=source, number=1, region="us", source_version=1, lease_token=uuid.uuid4(),
            started_at=database_now(),
        ).save()  # fmt: skip
    days_pass(91)
    Batch.objects.filter(pk=kept.pk).update(closed_at=database_now())
    report = run()
    assert (report.partitions, report.batches) == (1, 2)
    assert [(batch.pk, batch.parent) for batch in Batch.objects.all()] == [(kept.pk, None)]
    assert list(Attempt.objects.values_list("batch_id", flat=True)) == [kept.pk]


def test_batches_stay_as_long_as_one_of_their_events(log, source):
    old_batch(source, [old_event(source, 7), IN_THE_SECOND])
    days_pass(400)
    report = run()
    assert (report.partitions, report.batches) == (1, 0)


def test_batches_past_the_events_retention_stay_for_their_own(log, source):
    old_batch(source, [old_event(source, 7)])
    days_pass(89)
    assert run().batches == 0
    days_pass(1)
    assert run().batches == 1


def test_chunks_follow_each_other_until_all_is_gone(log, source, monkeypatch):
    monkeypatch.setattr(retention, "OLD_BATCHES", retention.OLD_BATCHES.replace("LIMIT 500", "LIMIT 2"))
    for _ in range(5):
        old_batch(source, [old_event(source, Event.objects.count() + 7)])
    days_pass(91)
    assert run().batches == 5


def test_staff_see_a_batch_whose_events_are_gone(log, source, staff_client):
    batch = old_batch(source, [old_event(source, 7)])
    days_pass(31)
    run()
    page = staff_client.get(reverse("admin:delivery_batch_change", args=[batch.pk]))
    assert (page.status_code, Event.objects.count()) == (200, 0)
    assert "Past their retention: these events are gone." in page.content.decode()


def test_refusals_dedupe_rows_and_rate_holds_go_in_their_time(log, source):
    now = database_now()
    for age in (29, 31):
        Refusal(tenant_id=source.tenant_id, reason="spec", refused_at=now - timedelta(days=age)).save()
    for age in (71, 73):
        MessageKey(
            source_id=source.pk, message_id=uuid.uuid4(), event_id=age, captured_at=now - timedelta(hours=age)
        ).save(force_insert=True)
    for age in (23, 25):
        RateHold(key_id=f"{age}", until=now - timedelta(hours=age)).save(force_insert=True)
    assert preview() == Report(refusals=1, message_keys=1, rate_holds=1)
    assert run() == Report(refusals=1, message_keys=1, rate_holds=1)
    assert (Refusal.objects.count(), list(MessageKey.objects.values_list("event_id", flat=True))) == (1, [71])
    assert list(RateHold.objects.values_list("key_id", flat=True)) == ["23"]
    assert run() == Report()


def old_replay(source, token, age):
    return Replay.objects.create(
        tenant_id=source.tenant_id, source=source, token=token, requested_by="ada@acme.test", criteria={},
        event_count=1, batch_count=1, accepted_before=0, may_arrive_twice=0,
        created_at=database_now() - timedelta(days=age),
    )  # fmt: skip


def test_replays_go_after_their_batches(log, source):
    old, kept = old_replay(source, "old", 91), old_replay(source, "kept", 89)
    old_batch(source, [old_event(source, 7)], replay=old)
    assert (preview().replays, run().replays) == (0, 0)
    Batch.objects.all().delete()
    assert (preview().replays, run().replays) == (1, 1)
    assert list(Replay.objects.all()) == [kept]


def test_warnings_that_are_long_over_go_and_open_ones_stay(paused):
    days_pass(24)
    run()
    Pending.objects.all().delete()
    Batch.objects.update(state="accepted", closed_at=database_now())
    days_pass(3)
    run()
    days_pass(89)
    assert run().ended_warnings == 0
    open_one = RetentionWarning.objects.get()
    open_one.pk, open_one.number, open_one.ended_at = None, 2, None
    open_one.save()
    days_pass(1)
    assert (preview().ended_warnings, run().ended_warnings) == (1, 1)
    assert RetentionWarning.objects.count() == 1


# The command.


def test_dry_run_makes_no_partition_and_notes_nothing(log, source):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SEQUENCE delivery_event_id_seq RESTART WITH {2 * SIZE + 2}")
    before = (place(), list(EventPartition.objects.order_by("first_id").values()))
    call_command("retention", "--dry-run", stdout=StringIO())
    assert (place(), list(EventPartition.objects.order_by("first_id").values())) == before


def test_dry_run_counts_and_changes_nothing(paused):
    old_batch(paused, [old_event(paused, 11)])
    for days in (24, 3, 3):
        days_pass(days)
        out = StringIO()
        call_command("retention", "--dry-run", "--json", stdout=out)
        expected = json.loads(out.getvalue())
        before = (states(paused), RetentionWarning.objects.count(), partitions_left())
        call_command("retention", "--dry-run", stdout=StringIO())
        assert (states(paused), RetentionWarning.objects.count(), partitions_left()) == before
        done = run()
        assert (expected["warnings"], expected["expired_events"]) == (done.warnings, done.expired_events)


def test_command_says_what_it_did(log, source):
    old_batch(source, [old_event(source, 7)])
    days_pass(31)
    out = StringIO()
    call_command("retention", stdout=out)
    assert "           1  partitions of events dropped" in out.getvalue().splitlines()


# Beside captures and turns.


@pytest.fixture
def beside(transactional_db, settings, call):
    """A small partition behind the others in which capture is, full and old; it goes again if it is still there."""
    settings.EVENT_PARTITION_IDS = 1_000
    keep_ahead()
    first_id = place().end_id
    attach(first_id, first_id + 1_000)
    partition = EventPartition.objects.create(
        first_id=first_id, end_id=first_id + 1_000, opened_at=database_now(), passed_at=database_now()
    )
    yield partition
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS delivery_event_{first_id}")


def wait_for_a_waiter(table):
    """Until somebody waits for a lock of the table."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
    with connection.cursor() as cursor:
        assert eventually(lambda: cursor.execute(waiting, [table]).fetchone()[0], bool, seconds=15)


@pytest.mark.django_db(transaction=True)
def test_drop_beside_a_capture_under_way_loses_nothing(beside, source):
    with transaction.atomic():
        old_event(source, beside.first_id, waiting=True)
        assert not in_thread(lambda: drop(beside)).result(20)
    assert not drop(beside)
    parcel = sure(cut(sure(lanes.lease(source.pk))))
    assert (parcel.batch.event_ids, parcel.payloads) == ([beside.first_id], ["{}"])
    assert not drop(beside)
    Batch.objects.update(state=BatchState.ACCEPTED, closed_at=database_now())
    assert drop(beside)


@pytest.mark.django_db(transaction=True)
def test_drop_sees_what_became_owed_while_it_waited_for_its_lock(beside, source, monkeypatch):
    """As a replay does it: it reads the event, and then queues it again."""
    monkeypatch.setattr(retention, "LOCK_TIMEOUT", "15s")
    event_id = old_event(source, beside.first_id)
    old_batch(source, [event_id])
    gate = Gate()

    def queue_again():
        with transaction.atomic():
            assert Event.objects.filter(pk=event_id).exists()
            gate.wait()
            old_batch(source, [event_id], "open")

    replaying = in_thread(queue_again)
    gate.reached()
    dropping = in_thread(lambda: drop(beside))
    wait_for_a_waiter("delivery_event")
    gate.open()
    replaying.result(20)
    assert not dropping.result(20)
    assert Event.objects.filter(pk=event_id).exists()


@pytest.mark.django_db(transaction=True)
def test_drop_whose_last_look_takes_too_long_lets_captures_go_on(beside, source, call, monkeypatch):
    """The look is held up by a lock of the batches, which comes while it waits for the log's."""
    monkeypatch.setattr(retention, "LOCK_TIMEOUT", "0")
    reading, locking = Gate(60), Gate(60)

    def hold(statement, gate):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            gate.wait()

    reader = in_thread(lambda: hold("SELECT FROM delivery_event LIMIT 1", reading))
    reading.reached()
    dropping = in_thread(lambda: drop(beside))
    wait_for_a_waiter("delivery_event")
    locker = in_thread(lambda: hold("LOCK TABLE delivery_batch IN ACCESS EXCLUSIVE MODE", locking))
    locking.reached()
    reading.open()
    assert not dropping.result(20)
    assert len(in_thread(lambda: capture(source.tenant_id, call)).result(20).event_ids) == 1
    locking.open()
    reader.result(20)
    locker.result(20)
    assert drop(beside)


@pytest.mark.django_db(transaction=True)
def test_drop_waits_for_an_autovacuum_and_captures_do_not_wait_for_the_drop(beside, source, call):
    """The lock is the one that VACUUM and ANALYZE take on the partition."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE delivery_event_{beside.first_id} IN SHARE UPDATE EXCLUSIVE MODE")
        dropping = in_thread(lambda: drop(beside))
        wait_for_a_waiter(f"delivery_event_{beside.first_id}")
        assert len(in_thread(lambda: capture(source.tenant_id, call)).result(20).event_ids) == 1
        assert not dropping.done()
    assert dropping.result(20)


@pytest.mark.django_db(transaction=True)
def test_two_drops_at_once_do_it_once(beside):
    dropped = [in_thread(lambda: drop(beside)) for _ in range(2)]
    assert any(each.result(20) for each in dropped)
    assert not EventPartition.objects.filter(pk=beside.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_capture_goes_on_beside_a_drop(beside, source, call):
    make_room(10)
    dropping = in_thread(lambda: drop(beside))
    captured = capture(source.tenant_id, call)
    assert (len(captured.event_ids), captured.refused, dropping.result(20)) == (1, [], True)
