"""Which Python values are which type of the Spec."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypeGuard

TypeTest = Callable[[Any], bool]


def is_string(value: Any) -> bool:
    return isinstance(value, str)


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return is_number(value) and (isinstance(value, int) or value.is_integer())


def is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def is_object(value: Any) -> bool:
    return isinstance(value, dict)


def is_array(value: Any) -> bool:
    return isinstance(value, list | tuple)


def is_date(value: Any) -> bool:
    """A text in ISO-8601, with a time or without."""
    return isinstance(value, str) and moment(value) is not None


def moment(text: str) -> datetime | None:
    """The time that an ISO-8601 text names, or None. Only the extended form with dashes, which every reader takes."""
    if len(text) > 40 or not text.isascii() or text[4:5] != "-":  # noqa: PLR2004  # the place of the dash after the year
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_TESTS: dict[str, TypeTest] = {
    "string": is_string,
    "number": is_number,
    "integer": is_integer,
    "boolean": is_boolean,
    "object": is_object,
    "array": is_array,
    "date": is_date,
}


@cache
def fits(type_name: str) -> TypeTest:
    """The test for a type of the catalogue, such as `string|array`."""
    tests = [_TESTS[name] for name in type_name.split("|")]
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def named(value: Any) -> str:
    """What a person calls the type of this value."""
    if value is None:
        return "null"
    for name in ("boolean", "string", "number", "object", "array"):
        if _TESTS[name](value):
            return name
    return type(value).__name__
