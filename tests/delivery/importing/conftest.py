import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from delivery.importing import services
from delivery.importing.history import History
from delivery.importing.models import FileImport
from delivery.models import Event
from tenants.scoping import every_tenant


def row(number: int, **fields: Any) -> dict[str, Any]:
    call = {"type": "track", "userId": f"u-{number % 7}", "event": "Report Shared", "properties": {"pages": number}}
    return {**call, "timestamp": f"2025-{number % 12 + 1:02}-03T09:30:00.000Z", **fields}


def write_rows(path: Path, rows: Iterable[Any]) -> Path:
    """Texts are written as they are."""
    lines = (each if isinstance(each, str) else json.dumps(each) for each in rows)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def nothing(_progress: Any) -> None:
    """Told of progress."""


def imported(source, path: Path, mapping=None, tell=nothing) -> FileImport:
    history = History(path, mapping)
    record = services.begin(source, history, history.digest(), by=None, requested_by="tester")
    return services.run(record, history, tell)


def stored() -> list[dict[str, Any]]:
    with every_tenant():
        return [json.loads(event.payload) for event in Event.objects.order_by("pk")]


@pytest.fixture
def file(tmp_path):
    return write_rows(tmp_path / "history.jsonl", map(row, range(30)))
