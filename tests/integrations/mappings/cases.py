"""The files of fixtures/: for each mapping, the activity that goes in and the call that must come out."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from integrations import signals
from integrations.signals import Recipient

FIXTURES = Path(__file__).parent / "fixtures"


def expected_call(name: str) -> dict[str, Any]:
    return _read(f"{name}.expected.json")


def activity(name: str) -> Any:
    """The activity of an input file. `activity` in it names the class; an object in it is a Recipient."""
    fields = _read(f"{name}.input.json")
    kind = getattr(signals, fields.pop("activity"))
    fields["occurred_at"] = datetime.fromisoformat(fields["occurred_at"])
    return kind(**{key: Recipient(**value) if isinstance(value, dict) else value for key, value in fields.items()})


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    return content
