"""Where the numbers go: a table in the terminal while it goes on, and a file of JSON."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.catalogue import ROWS, Row
from benchmarks.measured import Measured

NAME: Final = max(len(row.name) for row in ROWS)
UNIT: Final = max(len(row.unit) for row in ROWS)
BAR: Final = max(len(row.bar) for row in ROWS)
VERDICTS: Final = {True: "holds", False: "MISSED", None: "-"}


class Report:
    """`scale` under 1 makes numbers of short runs: they are printed and no bar is held against them."""

    def __init__(self, path: Path, scale: float) -> None:
        self.path = path
        self.scale = scale
        self.rows: list[dict[str, Any]] = []

    def begin(self) -> None:
        self._line("row", "value", "unit", "bar", "verdict")
        self._line("-" * NAME, "-" * 10, "-" * UNIT, "-" * BAR, "-" * 7)

    def say(self, text: str) -> None:
        """What takes long; on a terminal each line replaces the one before."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K  {text}")
        else:
            sys.stderr.write(f"  {text}\n")
        sys.stderr.flush()

    def add(self, row: Row, measured: Measured) -> None:
        holds = measured.holds if self.scale == 1 else None
        of = f": {measured.of}" if measured.of else ""
        self._line(row.name, f"{measured.value:,.2f}", row.unit, row.bar, f"{VERDICTS[holds]}{of}")
        self._keep(row, round(measured.value, 4), holds=holds, detail=measured.detail)

    def failed(self, row: Row, why: str) -> None:
        self._line(row.name, "-", row.unit, row.bar, f"FAILED: {why}")
        self._keep(row, None, holds=False, error=why)

    def _line(self, name: str, value: str, unit: str, bar: str, verdict: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
        sys.stdout.write(f"{name:{NAME}}  {value:>10}  {unit:{UNIT}}  {bar:{BAR}}  {verdict}\n")
        sys.stdout.flush()

    def _keep(self, row: Row, value: float | None, *, holds: bool | None, **more: Any) -> None:
        """Written after each row, so that an interrupted run leaves what it has."""
        self.rows.append(
            {"row": row.name, "value": value, "unit": row.unit, "bar": row.bar, "holds": holds, "what": row.what} | more
        )
        text = json.dumps(self.rows, indent=2, ensure_ascii=False) + "\n"
        attempt = self.path.with_name(f"{self.path.name}.new")
        attempt.write_text(text, encoding="utf-8")
        attempt.replace(self.path)
