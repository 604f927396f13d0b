from datetime import timedelta
from io import StringIO

import pytest
from celery import current_app
from celery.schedules import crontab
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from delivery import partitions, tasks
from delivery.clock import database_now
from delivery.models import Event, EventPartition, Pending
from delivery.outbox import capture
from delivery.partitions import is_full, keep_ahead, make_room, place, turn_page
from tests.delivery.steps import in_thread

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]
SIZE = 5_000_000


def ranges():
    """First and end of each partition, by PostgreSQL's catalog."""
    with connection.cursor() as cursor:
        cursor.execute(f"{partitions.CATALOG} ORDER BY 1")
        return cursor.fetchall()


def begin_at(next_id):
    """Undone with the test's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SEQUENCE delivery_event_id_seq RESTART WITH {next_id}")


def tables_of(source):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM delivery_event WHERE source_id = %s ORDER BY id", [source.pk]
        )
        return [table for (table,) in cursor.fetchall()]


@pytest.fixture
def first(db):
    """The log's first partition, of which one id was drawn."""
    begin_at(2)
    keep_ahead()
    return EventPartition.objects.get(first_id=1)


def test_migration_leaves_three_partitions_without_a_gap_and_none_for_the_rest():
    assert ranges()[:3] == [(1, SIZE + 1), (SIZE + 1, 2 * SIZE + 1), (2 * SIZE + 1, 3 * SIZE + 1)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'delivery_event'::regclass")
        assert cursor.fetchall() == [(0,)]


def test_keep_ahead_makes_nothing_while_two_whole_partitions_are_ahead(first):
    assert keep_ahead() == 0
    assert place().ahead == 3 * SIZE - 1


def test_keep_ahead_makes_partitions_that_join_the_last_one(first):
    begin_at(SIZE + 2)
    assert keep_ahead() == 2
    assert ranges()[3:] == [(3 * SIZE + 1, 4 * SIZE + 1), (4 * SIZE + 1, 5 * SIZE + 1)]
    assert keep_ahead() == 0


def test_keep_ahead_with_nothing_to_do_is_two_statements(first, django_assert_num_queries):
    with django_assert_num_queries(2):
        keep_ahead()


def test_new_partition_has_the_indexes_checks_and_default_of_the_log(first):
    make_room(4 * SIZE)
    columns = """
        SELECT attname, atttypid, attnotnull, pg_get_expr(adbin, adrelid) FROM pg_attribute
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = %s::regclass AND attnum > 0
        ORDER BY attnum
    """
    indexes = """
        SELECT indkey::text, indisunique, indisprimary, pg_get_expr(indpred, indrelid) FROM pg_index
        WHERE indrelid = %s::regclass ORDER BY 1
    """
    checks = """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'
    """
    with connection.cursor() as cursor:
        for question in (columns, indexes, checks):
            cursor.execute(question, ["delivery_event"])
            of_the_log = cursor.fetchall()
            assert of_the_log
            cursor.execute(question, [f"delivery_event_{3 * SIZE + 1}"])
            assert cursor.fetchall() == of_the_log


def test_partitions_size_is_a_setting(first, settings):
    settings.EVENT_PARTITION_IDS = 1_000
    make_room(3 * SIZE)
    assert ranges()[3:] == [(3 * SIZE + 1, 3 * SIZE + 1_001)]


def test_keep_ahead_notes_since_when_a_partition_is_in_use_and_full(first):
    assert (first.opened_at is not None, first.passed_at) == (True, None)
    begin_at(SIZE + 1)
    keep_ahead()
    first.refresh_from_db()
    second = EventPartition.objects.get(first_id=SIZE + 1)
    assert first.passed_at is not None
    assert (second.opened_at, second.passed_at) == (None, None)
    begin_at(SIZE + 2)
    keep_ahead()
    second.refresh_from_db()
    assert second.opened_at is not None


def test_times_once_noted_stay(first):
    begin_at(SIZE + 5)
    keep_ahead()
    before = list(EventPartition.objects.order_by("first_id").values())
    keep_ahead()
    assert list(EventPartition.objects.order_by("first_id").values()) == before


def test_keep_ahead_notes_again_what_was_forgotten(first):
    """A database that was emptied keeps its partitions."""
    EventPartition.objects.all().delete()
    keep_ahead()
    assert list(EventPartition.objects.order_by("first_id").values_list("first_id", "end_id")) == ranges()


def test_little_room_is_an_alarm(first, caplog):
    keep_ahead()
    assert caplog.records == []
    begin_at(2 * SIZE + 2)
    keep_ahead()
    assert [record.levelname for record in caplog.records if record.levelname == "CRITICAL"] == ["CRITICAL"]
    assert caplog.records[0].getMessage() == "The log has room for only 4999999 more events: is beat running?"


def test_task_of_beat_keeps_partitions_ahead(first):
    begin_at(SIZE + 2)
    tasks.keep_partitions_ahead()
    assert ranges()[3:] == [(3 * SIZE + 1, 4 * SIZE + 1), (4 * SIZE + 1, 5 * SIZE + 1)]


def test_task_of_beat_drops_a_partition_past_its_retention(first, settings):
    begin_at(SIZE + 1)
    keep_ahead()
    age = timedelta(days=settings.EVENT_RETENTION_DAYS + 1)
    EventPartition.objects.filter(first_id=1).update(passed_at=database_now() - age)
    tasks.keep_retention()
    assert ranges()[0] == (SIZE + 1, 2 * SIZE + 1)


def test_beat_asks_for_both_tasks(settings):
    """By the names under which a worker knows them, and in the queue that it listens to."""
    entries = {name: settings.CELERY_BEAT_SCHEDULE[name] for name in ("partitions", "retention")}
    assert {entry["task"] for entry in entries.values()} <= current_app.tasks.keys()
    assert {name: (entry["task"], entry["options"]["queue"]) for name, entry in entries.items()} == {
        "partitions": (tasks.keep_partitions_ahead.name, "sweep"),
        "retention": (tasks.keep_retention.name, "sweep"),
    }
    assert entries["partitions"]["schedule"] == 60.0
    assert entries["retention"]["schedule"] == crontab(minute=7)


INSERT = """
INSERT INTO delivery_event
    (id, tenant_id, source_id, occurred_at, captured_at, message_id, bytes, type, name, user_id, payload)
VALUES (%s, 1, 1, now(), now(), gen_random_uuid(), %s, '', '', '', '')
"""


@pytest.mark.parametrize(("event_id", "size", "full"), [(3 * SIZE + 1, 1, True), (5, -1, False)])
def test_insert_without_a_partition_is_told_from_another_check(event_id, size, full):
    with pytest.raises(IntegrityError) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT, [event_id, size])
    assert is_full(raised.value) == full


def test_capture_makes_the_partition_that_nobody_made(first, source, call):
    begin_at(3 * SIZE + 1)
    captured = capture(source.tenant_id, call)
    assert (len(captured.event_ids), captured.refused) == (1, [])
    assert list(Pending.objects.values_list("event_id", flat=True)) == captured.event_ids
    assert tables_of(source) == [f"delivery_event_{3 * SIZE + 1}"]


def test_capture_in_use_of_the_last_partition_costs_as_many_statements(first, source, call, django_assert_num_queries):
    capture(source.tenant_id, call)
    with django_assert_num_queries(4):
        capture(source.tenant_id, call)


def test_turn_page_leaves_a_young_partition(first):
    assert not turn_page(timedelta(days=1))
    assert place().next_id == 2


def test_turn_page_goes_on_in_the_next_partition_when_one_is_old(first, source, call):
    EventPartition.objects.filter(first_id=1).update(opened_at=database_now() - timedelta(days=2))
    assert turn_page(timedelta(days=1))
    first.refresh_from_db()
    assert first.passed_at is not None
    assert capture(source.tenant_id, call).event_ids == [SIZE + 1]
    assert not turn_page(timedelta(days=1))


def test_turn_page_leaves_an_old_partition_without_events(first):
    EventPartition.objects.filter(first_id=1).update(opened_at=database_now() - timedelta(days=2))
    begin_at(1)
    assert not turn_page(timedelta(days=1))


def test_pages_list_the_newest_events_across_partitions(first, source, call):
    before = capture(source.tenant_id, call).event_ids
    begin_at(SIZE + 1)
    after = capture(source.tenant_id, call).event_ids
    assert list(Event.objects.order_by("-pk").values_list("pk", flat=True)) == after + before


def test_command_makes_room_and_lists(first):
    begin_at(SIZE + 2)
    keep_ahead()
    out = StringIO()
    call_command("partitions", "--room", str(5 * SIZE), stdout=out)
    *listed, last = out.getvalue().splitlines()
    assert [line.split("  ")[-1].split(" since")[0] for line in listed] == ["full", "in use", *["ahead"] * 5]
    assert last == "2 made. Room for 29,999,999 more events."


def test_command_refuses_no_room():
    with pytest.raises(CommandError, match="1 or more"):
        call_command("partitions", "--room", "0")


@pytest.fixture
def small(settings, transactional_db):
    """Partitions of a thousand ids behind those that there are, which go again. The sequence stays where it is."""
    settings.EVENT_PARTITION_IDS = 1_000
    before = ranges()
    yield
    for first_id, _ in sorted(set(ranges()) - set(before)):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE delivery_event_{first_id}")


@pytest.mark.django_db(transaction=True)
def test_two_beats_make_each_partition_once(small):
    before, wanted = ranges(), place().ahead + 2_500
    made = [in_thread(lambda: make_room(wanted)) for _ in range(2)]
    assert sorted(each.result(20) for each in made) == [0, 3]
    assert len(ranges()) == len(before) + 3


@pytest.mark.django_db(transaction=True)
def test_partition_is_made_while_a_capture_is_under_way(small, source, call):
    with transaction.atomic():
        event_ids = capture(source.tenant_id, call).event_ids
        assert in_thread(lambda: make_room(place().ahead + 500)).result(20) == 1
    assert list(Event.objects.values_list("pk", flat=True)) == event_ids


@pytest.mark.django_db(transaction=True)
def test_page_is_not_turned_while_a_capture_is_under_way(source, call):
    keep_ahead()
    with transaction.atomic():
        capture(source.tenant_id, call)
        keep_ahead()
    EventPartition.objects.update(opened_at=None)
    keep_ahead()
    EventPartition.objects.filter(opened_at__isnull=False).update(opened_at=database_now() - timedelta(days=9))
    before = place()
    with transaction.atomic():
        capture(source.tenant_id, call)
        assert not in_thread(lambda: turn_page(timedelta(days=1))).result(20)
    assert place() == partitions.Place(before.next_id + 1, before.end_id)
