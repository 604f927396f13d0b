"""A few rows at a thousandth of their size, in one run: all of them take minutes. The numbers are not judged here."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.catalogue import NAMES, ROWS
from tests.segment_fixture import ROOT


def run(*arguments, **environment):
    environment = {name: value for name, value in os.environ.items() if name != "ROWS"} | environment
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


FEW = [row for row in ROWS if row.name in {"drain_0ms", "capture_one", "capture_bulk", "ingest", "pages", "lint_speed"}]
FEW_NAMES = [row.name for row in FEW]


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    """The lines of the table without its head, and what was written."""
    path = tmp_path_factory.mktemp("benchmarks") / "results.json"
    done = run("--scale", "0.001", "--output", str(path), ROWS=",".join(reversed(FEW_NAMES)))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[2:], json.loads(path.read_text())


@pytest.mark.parametrize("row", FEW, ids=FEW_NAMES)
def test_row_is_measured_and_written(short_run, row):
    [result] = [result for result in short_run[1] if result["row"] == row.name]
    assert {key: result[key] for key in ("unit", "bar", "holds")} == {"unit": row.unit, "bar": row.bar, "holds": None}
    assert result["value"] > 0
    assert all(isinstance(number, int | float) for number in result["detail"].values())


def test_rows_come_in_their_order_and_not_in_that_of_the_request(short_run):
    lines, results = short_run
    assert [result["row"] for result in results] == FEW_NAMES
    assert [line.split()[0] for line in lines] == FEW_NAMES


def test_list_names_every_row_and_measures_nothing():
    done = run("--list")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == NAMES


def test_unknown_row_is_told_by_name():
    done = run(ROWS="drain_0ms,drain_1ms")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith("there is no row drain_1ms; --list shows them")


@pytest.mark.parametrize("scale", ["0", "2", "much"])
def test_scale_out_of_range_is_refused(scale):
    assert run("--scale", scale).returncode == 2
