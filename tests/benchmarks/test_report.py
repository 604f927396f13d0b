import json

import pytest

from benchmarks.catalogue import ROWS
from benchmarks.measured import Measured
from benchmarks.report import Report


@pytest.mark.parametrize(
    ("scale", "holds", "kept", "verdict"),
    [(1, True, True, "holds"), (1, False, False, "MISSED"), (0.5, True, None, "-"), (0.5, False, None, "-")],
)
def test_verdict_is_given_on_whole_runs_alone(tmp_path, capsys, scale, holds, kept, verdict):
    path = tmp_path / "results.json"
    Report(path, scale).add(ROWS[0], Measured(4.20001, holds, {"other": 1}))
    assert json.loads(path.read_text()) == [
        {
            "row": ROWS[0].name, "value": 4.2, "unit": ROWS[0].unit, "bar": ROWS[0].bar, "holds": kept,
            "what": ROWS[0].what, "detail": {"other": 1},
        }
    ]  # fmt: skip  # one row of JSON
    assert capsys.readouterr().out.split()[-1] == verdict


def test_what_the_number_is_of_stands_behind_the_verdict(tmp_path, capsys):
    Report(tmp_path / "results.json", 1).add(ROWS[0], Measured(4.2, holds=True, of="the overview"))
    assert capsys.readouterr().out.endswith("  holds: the overview\n")


def test_row_that_failed_does_not_hold_and_the_others_stay(tmp_path, capsys):
    report = Report(tmp_path / "results.json", 1)
    report.add(ROWS[0], Measured(4.2, holds=True))
    report.failed(ROWS[1], "The worker ended.")
    results = json.loads(report.path.read_text())
    assert [(row["row"], row["value"], row["holds"]) for row in results] == [
        (ROWS[0].name, 4.2, True),
        (ROWS[1].name, None, False),
    ]
    assert results[1]["error"] == "The worker ended."
    assert "FAILED: The worker ended." in capsys.readouterr().out
