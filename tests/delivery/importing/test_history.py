import json
import tomllib

import pytest

from delivery.importing.errors import ImportFileError, RowError
from delivery.importing.history import History, finished
from delivery.importing.mapping import parse_mapping
from tests.delivery.importing.conftest import row, write_rows

MAPPING = '[constants]\ntype = "track"\nevent = "Note Written"\n[columns]\nwho = "userId"\nwhen = "timestamp"\n'
MAPPING += 'text = "properties.text"\n'


def csv_history(path, text: str) -> History:
    path.write_bytes(text.encode())
    return History(path, parse_mapping(tomllib.loads(MAPPING), MAPPING.encode()))


def told(history: History, position: int = 0, lines: int = 0):
    return [
        (each.line, each.content.code if isinstance(each.content, RowError) else each.content)
        for each in history.rows(position, lines)
    ]


def test_finished_call_keeps_what_is_its_own():
    assert finished(row(1, messageId="m-1", writeKey="secret", sentAt="2025-01-01T00:00:00Z", context=None)) == row(
        1, messageId="m-1"
    )


def test_finished_call_has_an_id_of_its_content():
    first = finished(row(1))
    assert first["messageId"].startswith("row-")
    assert len(first["messageId"]) == 68
    assert finished(dict(reversed(row(1).items()))) == first
    assert finished(row(1, event="Report Deleted"))["messageId"] != first["messageId"]


def test_finished_call_says_when_it_happened():
    given = row(1)
    given["originalTimestamp"] = given.pop("timestamp")
    assert finished(given)["timestamp"] == given["originalTimestamp"]
    with pytest.raises(RowError) as caught:
        finished({**row(1), "timestamp": ""})
    assert caught.value.code == "timestamp_missing"


def test_json_lines_are_read_one_by_one(tmp_path):
    lines = [row(0), "", "nonsense", "[1]", "null", '{"a": NaN}', row(1)]
    history = History(write_rows(tmp_path / "h.jsonl", lines))
    assert told(history) == [
        (1, finished(row(0))),
        (3, "not_json"),
        (4, "call_not_object"),
        (5, "call_not_object"),
        (6, "not_json"),
        (7, finished(row(1))),
    ]


def test_json_lines_go_on_behind_each_row(file):
    rows = list(History(file).rows())
    for number, each in enumerate(rows):
        assert list(History(file).rows(each.position, each.lines)) == rows[number + 1 :]


def test_deep_row_is_a_problem_of_its_own(tmp_path):
    deep = json.dumps(row(1))[:-1] + ', "context": ' + '{"a":' * 300 + "1" + "}" * 300 + "}"
    assert told(History(write_rows(tmp_path / "h.jsonl", [deep, row(2)]))) == [
        (1, "too_deep"),
        (2, finished(row(2))),
    ]


def test_csv_rows_may_have_several_lines(tmp_path):
    history = csv_history(
        tmp_path / "h.csv",
        'who,when,text\r\nu-1,2025-01-01T00:00:00Z,"one\ntwo, ""three"""\r\n\r\nu-2,2025-01-02T00:00:00Z,four\r\n',
    )
    texts = [
        (each.line, each.lines, each.content["properties"]["text"])
        for each in history.rows()
        if isinstance(each.content, dict)
    ]
    assert texts == [(2, 3, 'one\ntwo, "three"'), (5, 5, "four")]
    rows = list(history.rows())
    assert list(history.rows(rows[0].position, rows[0].lines)) == rows[1:]


def test_csv_problems_have_their_line(tmp_path):
    history = csv_history(
        tmp_path / "h.csv",
        'who,when,text\nu-1\nu-2,2025-01-02T00:00:00Z,"a"b\nu-3,,c\nu-4,2025-01-04T00:00:00Z,d\n'
        'u-5,2025-01-05T00:00:00Z,"never ends\n',
    )
    assert [(line, what if isinstance(what, str) else what["userId"]) for line, what in told(history)] == [
        (2, "cells_differ"),
        (3, "not_csv"),
        (4, "timestamp_missing"),
        (5, "u-4"),
        (6, "not_csv"),
    ]


def test_csv_header_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(ImportFileError, match="Line 1, which names the columns"):
        list(csv_history(tmp_path / "h.csv", 'who,"when"x,text\n').rows())


def test_digest_is_of_the_file_and_its_mapping(file, tmp_path):
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(file.read_bytes())
    mapped = History(file, parse_mapping(tomllib.loads(MAPPING), MAPPING.encode()))
    assert History(copy).digest() == History(file).digest()
    assert mapped.digest() != History(file).digest()
    copy.write_text("{}\n")
    assert History(copy).digest() != History(file).digest()


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ImportFileError, match="There is no file"):
        History(tmp_path).size()
