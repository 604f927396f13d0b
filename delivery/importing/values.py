"""From the text of a cell to a value of JSON."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from delivery.importing.errors import RowError

Converter = Callable[[str], Any]

UNIX: Final = {"unix": 1.0, "unix_ms": 1_000.0}
"""Formats of times that are numbers since 1970, and how many are a second."""

BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise RowError("not_an_integer", "The cell is no whole number.") from None


def number(text: str) -> int | float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RowError("not_a_number", "The cell is no number with a decimal point.")
    digits = text.strip().removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() else value


def boolean(text: str) -> bool:
    try:
        return BOOLEANS[text.strip().lower()]
    except KeyError:
        raise RowError("not_a_boolean", f"The cell is none of {', '.join(BOOLEANS)}.") from None


def json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise RowError("cell_not_json", "The cell is not JSON.") from None


CONVERTERS: Final[dict[str, Converter]] = {
    "text": str, "integer": integer, "number": number, "boolean": boolean, "json": json,
}  # fmt: skip


def time_in(form: str, zone: ZoneInfo) -> Converter:
    """A converter to ISO-8601 in UTC. `form` is "iso", "unix", "unix_ms" or a pattern of strptime.

    A time that does not tell its zone is one of `zone`.
    """

    def convert(text: str) -> str:
        try:
            moment = _read(text.strip(), form)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
            return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        except (ValueError, OverflowError, OSError):
            raise RowError("not_a_time", f"The cell is no time of the format {form}.") from None

    return convert


def _read(text: str, form: str) -> datetime:
    if form in UNIX:
        return datetime.fromtimestamp(float(text) / UNIX[form], UTC)
    if form == "iso":
        return datetime.fromisoformat(text)
    return datetime.strptime(text, form)  # noqa: DTZ007  # the caller adds the zone when the text has none
