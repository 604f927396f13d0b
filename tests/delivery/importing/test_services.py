import os

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery.importing import services
from delivery.importing.errors import ImportFileError
from delivery.importing.history import History
from delivery.importing.models import FileImport
from delivery.models import Event, MessageKey, Refusal
from integrations.services import disconnect_source
from tenants.models import AuditEntry
from tests.conftest import make_source
from tests.delivery.importing.conftest import imported, row, stored, write_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


class StoppedError(Exception):
    """Raised where a process would be killed."""


def stop_at(line: int):
    def tell(progress):
        if progress.rows >= line:
            raise StoppedError

    return tell


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(services, "ROWS_IN_CHUNK", 10)


@pytest.fixture
def little_room(monkeypatch):
    monkeypatch.setattr("delivery.importing.room.MOST_WAITING", 20)


def counts(record: FileImport) -> tuple[int, int, int]:
    return record.captured, record.duplicates, record.refused


def test_import_keeps_each_call_and_its_time(source, file):
    record = imported(source, file)
    assert counts(record) == (30, 0, 0)
    assert record.finished_at is not None
    assert (record.position, record.line) == (file.stat().st_size, 30)
    kept = [(call["timestamp"], call["userId"], call["properties"]) for call in stored()]
    assert kept == [(row(n)["timestamp"], row(n)["userId"], row(n)["properties"]) for n in range(30)]
    assert [event.occurred_at.month for event in Event.objects.order_by("pk")[:3]] == [1, 2, 3]


def test_import_goes_to_its_source_only(tenant, source, file):
    other = make_source(tenant, "x" * 32, name="Other")
    imported(source, file)
    assert list(Event.objects.filter(source=other)) == []


def test_second_run_adds_nothing_weeks_later(source, file):
    imported(source, file)
    MessageKey.objects.all().delete()
    history = History(file)
    record = services.find(source, history.digest())
    assert record is not None
    again = services.run(record, history, lambda _progress: None)
    assert counts(again) == (30, 0, 0)
    assert Event.objects.count() == 30


def test_longer_file_adds_what_is_new(source, file):
    imported(source, file)
    MessageKey.objects.all().delete()
    longer = write_rows(file.with_name("longer.jsonl"), map(row, range(35)))
    assert counts(imported(source, longer)) == (5, 30, 0)
    assert Event.objects.count() == 35


def test_equal_rows_are_one_event(source, tmp_path):
    record = imported(source, write_rows(tmp_path / "h.jsonl", [row(1), row(1), row(2)]))
    assert counts(record) == (2, 1, 0)


def test_import_goes_on_behind_the_last_chunk(source, file, small_chunks):
    with pytest.raises(StoppedError):
        imported(source, file, tell=stop_at(10))
    record = FileImport.objects.get()
    assert (record.line, record.captured, record.finished_at) == (10, 10, None)
    MessageKey.objects.all().delete()
    assert counts(imported(source, file)) == (30, 0, 0)
    assert [call["properties"]["pages"] for call in stored()] == list(range(30))


def test_two_at_once_do_nothing_twice(source, file, small_chunks):
    history = History(file)
    record = services.begin(source, history, history.digest(), by=None, requested_by="tester")
    with pytest.raises(StoppedError):
        services.run(record, history, stop_at(10))
    with pytest.raises(ImportFileError, match="Another process"):
        services.run(record, history, stop_at(99))
    assert Event.objects.count() == 10


def test_refused_rows_are_recorded_and_the_others_go_on(source, tmp_path):
    rows = [row(1), "nonsense", row(2, userId=7), row(3)]
    assert counts(imported(source, write_rows(tmp_path / "h.jsonl", rows))) == (2, 0, 2)
    found = {
        (refusal.reason, refusal.findings[0]["code"], refusal.findings[0]["path"]) for refusal in Refusal.objects.all()
    }
    assert found == {("not_json", "not_json", "line 2"), ("spec", "id_not_string", "userId")}


def test_odd_message_ids_are_refused_one_by_one(source, tmp_path):
    rows = [row(1, messageId=["m"]), row(2, messageId=""), row(3)]
    assert counts(imported(source, write_rows(tmp_path / "h.jsonl", rows))) == (1, 0, 2)


def test_import_waits_while_the_source_has_enough_to_send(source, file, small_chunks, little_room):
    source.state = "paused"
    source.save()
    told = []

    def tell(progress):
        told.append((progress.rows, progress.waits_for))
        if progress.waits_for:
            raise StoppedError

    with pytest.raises(StoppedError):
        imported(source, file, tell=tell)
    why = "the source is paused: resume it, or stop here and go on later"
    assert told == [(10, ""), (20, ""), (20, why)]
    assert Event.objects.count() == 20


def test_import_goes_on_when_there_is_room(source, file, small_chunks, little_room):
    waits = []

    def send_them(progress):
        if progress.waits_for:
            waits.append(progress.waits_for)
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM delivery_pending")

    assert counts(imported(source, file, tell=send_them)) == (30, 0, 0)
    assert waits == ["events of the source are sent first"]


def test_import_stops_when_the_source_is_disconnected(source, file, small_chunks):
    def disconnect(progress):
        disconnect_source(source)

    with pytest.raises(ImportFileError, match="is disconnected: connect it first"):
        imported(source, file, tell=disconnect)
    assert Event.objects.count() == 10


@pytest.mark.parametrize("state", ["disconnected", "shadow"])
def test_source_that_sends_nothing_takes_no_history(source, file, state):
    source.state = state
    source.shadow_since = timezone.now() if state == "shadow" else None
    source.save()
    with pytest.raises(ImportFileError, match="connect it first"):
        imported(source, file)
    assert FileImport.objects.count() == 0


def test_import_stops_when_the_file_changes(source, file, small_chunks):
    def touch(progress):
        os.utime(file, ns=(0, 0))

    with pytest.raises(ImportFileError, match="The file changed while it was read"):
        imported(source, file, tell=touch)
    assert Event.objects.count() == 10


def test_import_is_in_the_history_of_the_tenant(source, file, owner):
    history = History(file)
    record = services.begin(source, history, history.digest(), by=owner, requested_by=owner.email)
    services.begin(source, history, history.digest(), by=owner, requested_by=owner.email)
    services.run(record, history, lambda _progress: None, by=owner)
    services.run(FileImport.objects.get(), history, lambda _progress: None, by=owner)
    noted = [(each.deed, each.subject, each.by) for each in AuditEntry.objects.filter(subject=file.name).order_by("pk")]
    assert noted == [
        ("began the import of", file.name, owner),
        ("finished the import of", file.name, owner),
    ]


def test_import_of_the_same_file_is_found_for_its_source_only(source, other_source, file):
    record = imported(source, file)
    digest = History(file).digest()
    assert services.find(source, digest) == record
    assert services.find(other_source, digest) is None
    assert counts(imported(other_source, file)) == (30, 0, 0)


def test_chunk_costs_the_same_queries_whatever_its_rows(source, tmp_path):
    counted = set()
    for rows in (3, 190):
        path = write_rows(tmp_path / f"{rows}.jsonl", (row(rows * 1_000 + number) for number in range(rows)))
        history = History(path)
        record = services.begin(source, history, history.digest(), by=None, requested_by="tester")
        with CaptureQueriesContext(connection) as queries:
            services.run(record, history, lambda _progress: None)
        counted.add(len(queries))
    assert len(counted) == 1
    assert counted.pop() < 20
