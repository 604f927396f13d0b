"""docs/spec.md lists the codes that there are."""

from pathlib import Path

from integrations.spec import json_lines
from integrations.spec.codes import CODES

DOCUMENT = Path(__file__).parents[3] / "docs" / "spec.md"


def test_document_lists_every_code():
    assert json_lines.LINE_TOO_LONG.name in CODES
    table = DOCUMENT.read_text().split("| --- | --- | --- | --- |\n")[1].split("<!-- end of codes -->")[0]

    expected = [f"| `{code.name}` | {code.severity} | {code.meaning} | {code.remedy} |" for code in CODES.values()]
    assert sorted(table.splitlines()) == sorted(expected)
