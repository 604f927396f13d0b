"""No row of the fault list is forgotten."""

import re
from pathlib import Path

from tests.drills.rows import ROWS, ROWS_WITHOUT
from tests.drills.servers import ROOT


def drilled():
    drills = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    return {int(number) for number in re.findall(r"^@pytest\.mark\.row\((\d+)\)$", drills, re.MULTILINE)}


def quick():
    """Rows with a drill that is no slow one: `make test` runs those."""
    rows = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        text = path.read_text()
        if not re.search(r"^pytestmark.*slow_drill", text, re.MULTILINE):
            marks = re.findall(r"((?:^@pytest\..*\n)+)def test_", text, re.MULTILINE)
            rows |= {
                int(row) for mark in marks if "slow_drill" not in mark for row in re.findall(r"row\((\d+)\)", mark)
            }
    return rows


def test_every_row_has_a_drill_or_a_reason():
    every = set(range(1, ROWS + 1))
    assert drilled() <= every
    assert drilled() | ROWS_WITHOUT.keys() == every
    assert {row for row, reason in ROWS_WITHOUT.items() if reason.startswith("no drill")} == every - drilled()


def test_every_row_is_in_the_documentation_once():
    listed = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "drills.md").read_text(), re.MULTILINE)
    assert [int(row) for row in listed] == list(range(1, ROWS + 1))


def test_documentation_tells_which_rows_are_in_make_test():
    table = (ROOT / "docs" / "drills.md").read_text()
    assert {int(row) for row in re.findall(r"^\| (\d+) \|.*\| yes \|", table, re.MULTILINE)} == quick()
