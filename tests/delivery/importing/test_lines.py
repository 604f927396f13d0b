import io

import pytest

from delivery.importing.errors import RowError
from delivery.importing.lines import LONGEST_LINE, Lines


def test_lines_know_where_they_are():
    lines = Lines(io.BytesIO("a\nß\nlast".encode()))
    assert [(next(lines), lines.position, lines.number) for _ in range(3)] == [
        ("a\n", 2, 1),
        ("ß\n", 5, 2),
        ("last", 9, 3),
    ]
    with pytest.raises(StopIteration):
        next(lines)


def test_lines_go_on_at_a_place():
    lines = Lines(io.BytesIO(b"a\nb\nc\n"), 2, 1)
    assert list(lines) == ["b\n", "c\n"]
    assert (lines.position, lines.number) == (6, 3)


def test_lines_leave_out_a_byte_order_mark():
    assert list(Lines(io.BytesIO(b"\xef\xbb\xbfid\n1\n"))) == ["id\n", "1\n"]


@pytest.mark.parametrize(
    ("bad", "code"), [(b"\xff\xfe\n", "not_utf8"), (b"x" * (2 * LONGEST_LINE + 7) + b"\n", "line_too_long")]
)
def test_lines_go_on_behind_one_that_is_no_text(bad, code):
    lines = Lines(io.BytesIO(b"a\n" + bad + b"c\n"))
    assert next(lines) == "a\n"
    with pytest.raises(RowError) as caught:
        next(lines)
    assert (caught.value.code, lines.number, lines.position) == (code, 2, 2 + len(bad))
    assert next(lines) == "c\n"
