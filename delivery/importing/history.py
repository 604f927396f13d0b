"""A file of history, and the calls in it, with where each of them ends."""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from delivery.importing.errors import ImportFileError, RowError
from delivery.importing.lines import Lines
from delivery.importing.mapping import Mapping
from integrations.spec.calls import Call

OF_THE_WAY: Final = frozenset({"writeKey", "sentAt", "receivedAt", "_metadata"})
"""Fields about how a call once travelled, which exports of Segment's have. The first is a secret."""

NOT_OBJECT: Final = "The line is not a JSON object."


@dataclass(frozen=True, slots=True)
class Row:
    """A row with the first line of it; behind it `position` bytes and `lines` lines are taken.

    `content` is the call, with a messageId, or why there is none.
    """

    line: int
    content: Call | RowError
    position: int
    lines: int


@dataclass(frozen=True, slots=True)
class History:
    """A file: CSV when there is a mapping, otherwise a call in JSON on each line."""

    path: Path
    mapping: Mapping | None = None

    def size(self) -> int:
        """In bytes. Raises ImportFileError when it is no file that can be read."""
        try:
            if not self.path.is_file():
                raise ImportFileError(f"There is no file {self.path}.")
            with self.path.open("rb"):
                return self.path.stat().st_size
        except OSError as error:
            raise ImportFileError(f"{self.path} cannot be read: {error.strerror}.") from None

    def digest(self) -> str:
        """Of the file and of how its rows become calls. A gigabyte takes a second or two."""
        with self.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        form = b"csv" + self.mapping.text if self.mapping else b"jsonl"
        return hashlib.sha256(content + form).hexdigest()

    def rows(self, position: int = 0, lines: int = 0) -> Iterator[Row]:
        """From there on, which must be behind a row. Raises MappingError when the header lacks a column."""
        with self.path.open("rb") as file:
            if self.mapping is None:
                yield from _rows(Lines(file, position, lines), _parsed)
            else:
                yield from _csv_rows(file, self.mapping, position, lines)


def _parsed(line: str) -> Any:
    """None for an empty line; a `null` is none."""
    if not line.strip():
        return None
    parsed = orjson.loads(line)
    if parsed is None:
        raise RowError("call_not_object", NOT_OBJECT)
    return parsed


def _csv_rows(file: Any, mapping: Mapping, position: int, number: int) -> Iterator[Row]:
    lines = Lines(file)
    try:
        header = next(csv.reader(lines, delimiter=mapping.delimiter, strict=True), [])
    except (RowError, csv.Error) as error:
        raise ImportFileError(f"Line 1, which names the columns, cannot be read: {error}") from None
    call_of = mapping.bound(header)
    if position:
        lines = Lines(file, position, number)
    # One row a call: the reader takes as many lines as the row has, so what it has taken is where the row ends.
    reader = csv.reader(lines, delimiter=mapping.delimiter, strict=True)

    def mapped(cells: list[str]) -> dict[str, Any] | None:
        if cells and len(cells) != len(header):
            raise RowError("cells_differ", f"The row has {len(cells)} cells, and line 1 has {len(header)}.")
        return call_of(cells) if cells else None

    yield from _rows(lines, mapped, reader)


def _rows(lines: Lines, parse: Callable[[Any], Any], source: Iterator[Any] | None = None) -> Iterator[Row]:
    """Each of what `source`, or else `lines`, gives. `parse` returns None for what is empty."""
    source = source or lines
    while True:
        first = lines.number + 1
        content: Call | RowError
        try:
            parsed = parse(next(source))
            if parsed is None:
                continue
            content = finished(parsed)
        except StopIteration:
            return
        except (RowError, csv.Error, orjson.JSONDecodeError) as error:
            content = _problem(error)
        yield Row(first, content, lines.position, lines.number)


def _problem(error: Exception) -> RowError:
    """The messages of a parser do not quote what it read."""
    match error:
        case RowError():
            return error
        case csv.Error():
            return RowError("not_csv", f"The row is not CSV: {error}.")
        case _:
            return RowError("not_json", f"The line is not JSON: {error}.")


def finished(row: Any) -> Call:
    """The call of a row: with the time when it happened, and with an id that the same row has each time.

    Without a messageId of its own the id is a digest of all that the row says. Raises RowError.
    """
    if not isinstance(row, dict):
        raise RowError("call_not_object", NOT_OBJECT)
    call = {name: value for name, value in row.items() if name not in OF_THE_WAY and value is not None}
    if not call.get("timestamp"):
        if not call.get("originalTimestamp"):
            raise RowError("timestamp_missing", "The row does not say when it happened: it needs a timestamp.")
        call["timestamp"] = call["originalTimestamp"]
    if "messageId" not in call:
        call["messageId"] = f"row-{_digest_of(call)}"
    return call


def _digest_of(call: Call) -> str:
    try:
        return hashlib.sha256(orjson.dumps(call, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except orjson.JSONEncodeError:
        raise RowError("too_deep", "The row is nested too deeply.") from None
