"""The command, and the process that is killed in the middle of it."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from delivery.importing.mapping import EXAMPLE
from delivery.importing.models import FileImport
from delivery.models import Event, Refusal
from integrations.enums import Region
from integrations.secrets import Secret
from integrations.services import connect_source
from tenants.models import Tenant
from tests.delivery.importing.conftest import row, stored, write_rows
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]
ROOT = Path(__file__).resolve().parents[3]


def run(*arguments) -> str:
    out = io.StringIO()
    call_command("import_events", *map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_command_imports_a_file_once(source, file):
    said = run(file, "--source", source.pk)
    assert "30 rows." in said
    assert "is done: 30 events captured, 0 rows were there before, 0 refused." in said
    again = run(file, "--source", source.pk)
    assert again.startswith("This file was imported on ")
    assert "Nothing was changed." in again
    assert Event.objects.count() == 30


def test_command_maps_csv(source, tmp_path):
    (tmp_path / "m.toml").write_text(EXAMPLE)
    orders = tmp_path / "orders.csv"
    orders.write_text("customer,number,placed,total\nc-1,A7,31.01.2026 10:30,12.50\n")
    run(orders, "--source", source.pk, "--mapping", tmp_path / "m.toml")
    assert [(call["userId"], call["timestamp"], call["properties"]["total"]) for call in stored()] == [
        ("c-1", "2026-01-31T09:30:00.000Z", 12.5)
    ]


def test_command_counts_and_prices_without_writing(source, file):
    said = run(file, "--source", source.pk, "--dry-run").splitlines()
    assert said[1] == "To be sent: 30 calls (30 track)."
    assert said[2].split() == ["month", "calls", "users"]
    assert said[3].split() == ["2025-01", "3", "3"]
    assert said[-2].split() == ["all", "30", "7"]
    assert [model.objects.count() for model in (Event, FileImport)] == [0, 0]


def test_command_writes_nothing_when_a_row_is_wrong(source, tmp_path):
    file = write_rows(tmp_path / "h.jsonl", [row(1), row(2, userId=7), "nonsense"])
    with pytest.raises(CommandError, match="Nothing was written"):
        run(file, "--source", source.pk)
    assert [model.objects.count() for model in (Event, Refusal, FileImport)] == [0, 0, 0]
    said = run(file, "--source", source.pk, "--skip-errors")
    assert "1  id_not_string, in line 2. The first: userId: " in said
    assert "1  not_json, in line 3." in said
    assert [model.objects.count() for model in (Event, Refusal, FileImport)] == [1, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "There is no file nowhere.jsonl"),
        (["orders.csv"], "A CSV file needs a --mapping"),
        (["h.jsonl", "--mapping", "m.toml"], "JSON lines take none"),
        (["orders.csv", "--mapping", "nowhere.toml"], "The mapping nowhere.toml cannot be read"),
        (["h.jsonl", "--source", "999999"], "There is no source 999999"),
    ],
)
def test_command_says_what_to_do(source, arguments, message):
    with pytest.raises(CommandError, match=message):
        run("--source", source.pk, *arguments)


def committed_lines(path: Path) -> int:
    return max(FileImport.objects.filter(file_name=path.name).values_list("line", flat=True), default=0)


def start(path: Path, source) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATABASE_URL": database_url()}
    command = [sys.executable, "manage.py", "import_events", str(path), "--source", str(source.pk)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def database_url() -> str:
    """Of the test's database: the environment names the one beside it."""
    base, _, _name = os.environ["DATABASE_URL"].partition("?")[0].rpartition("/")
    return f"{base}/{connection.settings_dict['NAME']}"


@pytest.mark.django_db(transaction=True)
def test_killed_process_is_gone_on_from(tmp_path):
    """The source is paused, so the first process stops where the lane is full: it is killed there."""
    tenant = Tenant.objects.create(name="Kill", slug="kill")
    source = connect_source(tenant, name="Main", region=Region.US, write_key=Secret("k" * 32))
    type(source).objects.filter(pk=source.pk).update(state="paused")
    path = write_rows(tmp_path / "killed.jsonl", map(row, range(7_000)))
    first = start(path, source)
    assert eventually(lambda: committed_lines(path), lambda lines: lines >= 5_000) == 5_000
    first.kill()
    first.communicate()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM delivery_pending")
    second = start(path, source)
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert "Goes on behind line 5,000." in said
    assert [call["properties"]["pages"] for call in stored()] == list(range(7_000))
