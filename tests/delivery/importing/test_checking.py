import pytest

from delivery.importing.checking import check
from delivery.importing.history import History
from delivery.importing.models import FileImport
from delivery.importing.tally import Month
from delivery.models import Event, Refusal
from tests.delivery.importing.conftest import imported, nothing, row, stored, write_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def checked(source, path, *rows):
    return check(source, History(write_rows(path, rows)), nothing)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "h.jsonl"


def test_check_counts_problems_by_code_with_their_first_lines(source, path):
    bad = [row(number, userId=7) for number in range(7)]
    report = checked(source, path, row(1), "nonsense", *bad, row(2, userId=None))
    told = {code: (problem.count, problem.lines) for code, problem in report.problems.items()}
    assert told == {"not_json": (1, [2]), "id_not_string": (7, [3, 4, 5, 6, 7]), "no_identity": (1, [10])}
    assert (report.rows, report.calls, report.refused) == (10, 1, 9)


def test_check_writes_nothing(source, path):
    checked(source, path, row(1), "nonsense")
    assert [model.objects.count() for model in (Event, Refusal, FileImport)] == [0, 0, 0]


def test_check_leaves_out_what_is_no_news(source, path):
    imported(source, write_rows(path, [row(1), row(2, messageId="mine")]))
    report = checked(source, path, row(1), row(2, messageId="mine"), row(3), row(3), row(4))
    assert (report.known, report.repeated, report.calls) == (2, 1, 2)
    assert report.months == [Month("2025-04", 1, 1), Month("2025-05", 1, 1), Month("all", 2, 2)]


def test_check_counts_calls_by_type(source, path):
    identify = {"type": "identify", "userId": "u-1", "timestamp": "2025-01-01T00:00:00Z", "traits": {"name": "A"}}
    assert checked(source, path, row(1), identify, row(2)).types == {"track": 2, "identify": 1}


def test_check_leaves_out_events_that_the_source_has_turned_off(source, path):
    source.events_off = ["Report Shared"]
    source.save()
    report = checked(source, path, row(1), row(2, event="Report Deleted"))
    assert (report.unwanted, report.calls) == (1, 1)
    imported(source, path)
    assert [call["event"] for call in stored()] == ["Report Deleted"]


def test_check_takes_what_the_source_makes_of_a_call(source, path):
    source.identity = "email_hash"
    source.save()
    person = row(1, userId=None, context={"traits": {"email": "ann@example.com"}})
    report = checked(source, path, person, person | {"event": "Report Deleted"})
    assert (report.problems, report.months[-1]) == ({}, Month("all", 2, 1))
