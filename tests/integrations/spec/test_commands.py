"""The commands as an operator runs them: in a process of their own, with no database and no broker to be had."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
GOOD = {"type": "track", "userId": "u-1", "event": "Report Submitted"}


def manage(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1",
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        input=stdin,
        capture_output=True,
        check=False,
    )


def lines_of(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.decode().splitlines()]


def test_lint_events_prints_a_verdict_for_each_line(tmp_path):
    calls = [GOOD, GOOD | {"event": "Purchase"}, GOOD | {"userId": 5}]
    file = tmp_path / "calls.jsonl"
    file.write_text("\n".join(map(json.dumps, calls)))

    done = manage("lint_events", str(file))

    printed = lines_of(done.stdout)
    assert [line["verdict"] for line in printed] == ["ok", "warning", "error"]
    assert printed[0] == {"verdict": "ok", "findings": []}
    assert [sorted(line) for line in printed] == [["findings", "verdict"]] * 3
    assert sorted(printed[2]["findings"][0]) == ["code", "message", "path", "remedy", "severity"]
    assert (done.returncode, done.stderr) == (1, b"")


def test_lint_events_reads_standard_input_and_ends_well_without_errors():
    done = manage("lint_events", "-", stdin=json.dumps(GOOD | {"event": "Purchase"}).encode())

    assert [line["verdict"] for line in lines_of(done.stdout)] == ["warning"]
    assert (done.returncode, done.stderr) == (0, b"")


def test_lint_events_takes_the_category():
    done = manage(
        "lint_events", "-", "--category", "email", stdin=json.dumps(GOOD | {"event": "Link Clicked"}).encode()
    )

    assert [line["verdict"] for line in lines_of(done.stdout)] == ["warning"]


def test_lint_events_survives_any_line():
    bad = [b"\xff", b"[" * 10_000, b"x" * 2_000_000, b'{"a": 1, "a": 2}', b'{"a": "\\ud800"}', b"\0"]

    done = manage("lint_events", "-", stdin=b"\n".join(bad))

    assert [line["verdict"] for line in lines_of(done.stdout)] == ["error"] * len(bad)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("path", ["missing.jsonl", "."])
def test_lint_events_says_why_a_file_cannot_be_read(path):
    done = manage("lint_events", path)

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"CommandError: {path} cannot be read: ")
    assert done.stderr.count(b"\n") == 1


def test_lint_name_answers_for_one_name():
    done = manage("lint_name", "Link Clicked", "--category", "email")

    assert lines_of(done.stdout) == [
        {
            "name": "Link Clicked",
            "verdict": "lookalike",
            "spec": "Email Link Clicked",
            "reason": "This means what the Spec calls “Email Link Clicked”.",
        }
    ]
    assert (done.returncode, done.stderr) == (0, b"")


def test_lint_name_answers_for_each_line_of_standard_input():
    done = manage("lint_name", "-", stdin=b"Order Completed\n\nSurvey Submitted\r\nPurchase\n" + b"\xff\n")

    answers = [(line["name"], line["verdict"], line["spec"]) for line in lines_of(done.stdout)]
    assert answers == [
        ("Order Completed", "spec", "Order Completed"),
        ("Survey Submitted", "ok", None),
        ("Purchase", "lookalike", "Order Completed"),
        ("�", "ok", None),
    ]
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", [("lint_name", "Purchase"), ("lint_events", "-")])
def test_unknown_category_is_refused_with_the_known_ones(command):
    done = manage(*command, "--category", "letters")

    assert done.returncode == 2
    assert done.stderr.decode().startswith("CommandError: There is no category 'letters'. Use one of ab-testing,")


def test_spec_events_prints_the_catalogue():
    done = manage("spec_events")

    events = json.loads(done.stdout)
    opened = next(event for event in events if event["name"] == "Email Opened")
    assert len(events) == 79
    assert opened == {
        "name": "Email Opened",
        "category": "email",
        "properties": [
            {"name": "email_id", "type": "string"},
            {"name": "email_subject", "type": "string"},
            {"name": "campaign_id", "type": "string"},
            {"name": "campaign_name", "type": "string"},
        ],
        "context": ["context.ip", "context.traits", "context.traits.email", "context.userAgent"],
    }
    assert (done.returncode, done.stderr) == (0, b"")


def test_reader_that_goes_away_ends_the_command_without_a_traceback(tmp_path):
    file = tmp_path / "calls.jsonl"
    file.write_text(f"{json.dumps(GOOD | {'event': 'Purchase'})}\n" * 5_000)

    with subprocess.Popen(
        [sys.executable, "manage.py", "lint_events", str(file)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
