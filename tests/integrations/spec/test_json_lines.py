"""Files of JSON lines, whatever is in them."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.spec.json_lines import MAX_LINE_BYTES, capped_lines, lint_lines
from tests.integrations.spec.cases import LINES

GOOD = b'{"type": "track", "userId": "u-1", "event": "Report Submitted"}'


def linted(content: bytes) -> list[list[str]]:
    return [[finding.code for finding in line.findings] for line in lint_lines(io.BytesIO(content))]


@pytest.mark.parametrize("code", LINES)
def test_line_has_the_finding_and_its_neighbours_have_none(code):
    bad, good = LINES[code]

    lines = list(lint_lines(io.BytesIO(b"\n".join([good, bad, good]))))

    assert [[finding.code for finding in line.findings] for line in lines] == [[], [code], []]
    assert [finding.path for finding in lines[1].findings] == ["line 2"]
    assert lines[1].findings[0].message.startswith("Line 2 ")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[" * 10_000 + b"]" * 10_000, "too_deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too_deep"),
        (b"9" * 5_000, "number_too_large"),
        (b"[1, 2]", "call_not_object"),
        (b"null", "call_not_object"),
        (b"nul", "line_not_json"),
        (GOOD[:-1], "line_not_json"),
        (GOOD + GOOD, "line_not_json"),
        (GOOD[:-1] + b', "properties": {"a": NaN}}', "number_not_finite"),
        (GOOD[:-1] + b', "properties": {"a": 1e999}}', "number_not_finite"),
        (GOOD[:-1] + b', "properties": {"a": "\\ud800"}}', "text_not_unicode"),
        (GOOD[:-1] + b', "properties": {"a": {"b": 1, "b": 1}}}', "duplicate_key"),
        (GOOD[:-1] + b', "properties": {"a": "' + b"x" * 32_000 + b'"}}', "too_large"),
        (GOOD[:-1] + b', "properties": {"a": [' + b"1e15," * 1_999 + b"1]}}", "too_large"),
    ],
)
def test_line_that_cannot_be_sent_is_found(line, code):
    assert linted(line) == [[code]]


def test_size_is_that_of_the_call_and_not_of_the_line():
    assert linted(GOOD[:-1] + b" " * 40_000 + b"}") == [[]]
    assert linted(GOOD[:-1] + b', "properties": {"a": "' + b"\\u00e9" * 6_000 + b'"}}') == [[]]


def test_blank_lines_and_a_byte_order_mark_are_left_out():
    assert linted(b"\xef\xbb\xbf" + GOOD + b"\r\n\n   \n" + GOOD) == [[], []]
    assert linted(b"") == []


def test_lines_are_counted_with_the_blank_ones():
    assert [(line.number, line.bytes_read) for line in lint_lines(io.BytesIO(GOOD + b"\n\n" + GOOD))] == [
        (1, len(GOOD) + 1),
        (3, 2 * len(GOOD) + 2),
    ]


class CountingStream(io.BytesIO):
    """A long line without end, of which nobody may hold more than a piece."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.left = total
        self.largest = 0

    def readline(self, size: int | None = -1) -> bytes:
        assert size is not None
        self.largest = max(self.largest, size)
        piece = b"x" * min(size, self.left)
        self.left -= len(piece)
        return piece


def test_line_without_end_is_never_held():
    stream = CountingStream(50 * MAX_LINE_BYTES)

    assert list(capped_lines(stream, MAX_LINE_BYTES)) == [(50 * MAX_LINE_BYTES, None)]
    assert stream.largest == MAX_LINE_BYTES + 1


@pytest.mark.parametrize("length", [9, 10, 11])
def test_cap_counts_the_line_and_not_its_end(length):
    expected = (length + 1, b"x" * length + b"\n") if length <= 10 else (length + 1, None)

    assert list(capped_lines(io.BytesIO(b"x" * length + b"\ny"), 10)) == [expected, (1, b"y")]


@given(st.lists(st.binary(max_size=50) | st.just(GOOD)))
def test_any_bytes_give_findings_for_each_line(lines):
    content = b"\n".join(lines)
    expected = [line for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]

    found = linted(content)

    assert len(found) == len(expected)
    json.dumps(found)
