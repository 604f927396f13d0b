"""How the columns of a CSV file become calls: what the file given as --mapping says."""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from delivery.importing.errors import MappingError, RowError
from delivery.importing.values import CONVERTERS, Converter, time_in

KNOWN: Final = frozenset({"delimiter", "constants", "columns"})
OPTIONS: Final = frozenset({"to", "type", "format", "zone"})
EXAMPLE: Final = """\
delimiter = ","

[constants]
type = "track"
event = "Order Completed"
properties.currency = "EUR"

[columns]
customer = "userId"
number = "properties.order_id"
placed = { to = "timestamp", type = "time", format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }
total = { to = "properties.total", type = "number" }
"""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    path: tuple[str, ...]
    convert: Converter


@dataclass(frozen=True, slots=True)
class Mapping:
    """`text` is the mapping as it was written: the same file mapped otherwise is another import."""

    delimiter: str
    constants: dict[str, Any]
    columns: tuple[Column, ...]
    text: bytes

    def bound(self, header: Sequence[str]) -> Callable[[Sequence[str]], dict[str, Any]]:
        """What makes a call of a row under this header. Raises MappingError when the header lacks a column."""
        missing = [column.name for column in self.columns if column.name not in header]
        if missing:
            raise MappingError(f"Line 1 has no column {', '.join(missing)}. Its columns are: {', '.join(header)}.")
        places = [(header.index(column.name), column) for column in self.columns]

        def call_of(cells: Sequence[str]) -> dict[str, Any]:
            call: dict[str, Any] = _copy(self.constants)
            for place, column in places:
                # An empty cell says nothing, and so its field is left out.
                if cells[place] != "":
                    _put(call, column.path, _converted(column, cells[place]))
            return call

        return call_of


def read_mapping(path: Path) -> Mapping:
    """From a TOML file, or a JSON one with the same content. Raises MappingError."""
    try:
        text = path.read_bytes()
        content = orjson.loads(text) if path.suffix == ".json" else tomllib.loads(text.decode())
    except OSError as error:
        raise MappingError(f"The mapping {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise MappingError(f"The mapping {path} is not {path.suffix.lstrip('.').upper()}: {error}.") from None
    return parse_mapping(content, text)


def parse_mapping(content: Any, text: bytes) -> Mapping:
    if not isinstance(content, dict) or content.keys() - KNOWN:
        raise MappingError(f"A mapping has {_listed(KNOWN)}, and nothing else.")
    delimiter, constants = content.get("delimiter", ","), content.get("constants", {})
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise MappingError("The delimiter is one character.")
    columns = content.get("columns")
    if not isinstance(columns, dict) or not columns or not isinstance(constants, dict):
        raise MappingError("[columns] names each column with the field it goes to; [constants] is a table.")
    mapping = Mapping(delimiter, constants, tuple(_column(name, said) for name, said in columns.items()), text)
    _check_paths(mapping)
    return mapping


def _column(name: str, said: Any) -> Column:
    options = {"to": said} if isinstance(said, str) else said
    if not isinstance(options, dict) or options.keys() - OPTIONS or not isinstance(options.get("to"), str):
        raise MappingError(f"Column {name}: write a field, or a table of {_listed(OPTIONS)}, of which “to” is needed.")
    path = tuple(options["to"].split("."))
    if not all(path):
        raise MappingError(f"Column {name}: {options['to']!r} is no field such as userId or properties.total.")
    return Column(name, path, _converter(name, options))


def _converter(name: str, options: dict[str, Any]) -> Converter:
    kind = options.get("type", "text")
    if kind == "time":
        try:
            return time_in(str(options.get("format", "iso")), ZoneInfo(str(options.get("zone", "UTC"))))
        except (KeyError, ValueError):
            raise MappingError(f"Column {name}: {options['zone']!r} is no time zone such as Europe/Berlin.") from None
    if kind not in CONVERTERS or options.keys() & {"format", "zone"}:
        kinds = _listed({*CONVERTERS, "time"})
        raise MappingError(f"Column {name}: the type is one of {kinds}; format and zone go with time.")
    return CONVERTERS[kind]


def _check_paths(mapping: Mapping) -> None:
    """No two columns, and no constant, may go to one field or into each other."""
    call = _copy(mapping.constants)
    for column in mapping.columns:
        try:
            _put(call, column.path, column.name)
        except (KeyError, TypeError):
            raise MappingError(f"Column {column.name}: {'.'.join(column.path)} has a value already.") from None


def _put(call: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Raises KeyError when there is a value, and TypeError when there is one on the way."""
    *way, name = path
    for step in way:
        call = call.setdefault(step, {})
        if not isinstance(call, dict):
            raise TypeError
    if name in call:
        raise KeyError(name)
    call[name] = value


def _copy(value: Any) -> Any:
    return {name: _copy(each) for name, each in value.items()} if isinstance(value, dict) else value


def _converted(column: Column, cell: str) -> Any:
    try:
        return column.convert(cell)
    except RowError as error:
        raise RowError(error.code, f"Column {column.name}: {error}") from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
