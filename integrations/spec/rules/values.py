"""What cannot be written down as JSON at all, or is more than Segment takes."""

import math
import re
from collections.abc import Iterable
from typing import Any

from integrations.spec.codes import Code, error, shown
from integrations.spec.findings import Finding
from integrations.spec.limits import MAX_DEPTH, MAX_EVENT_BYTES, MAX_PROPERTIES

NOT_JSON = error(
    "value_not_json",
    "A value is of a type that JSON does not have, such as a date object or bytes.",
    "Turn it into a text or a number before it is sent.",
)
NOT_FINITE = error(
    "number_not_finite",
    "A number is NaN or infinite. One of them makes Segment answer 400 to the whole batch.",
    "Leave the field out when there is no number.",
)
TOO_LONG_NUMBER = error(
    "number_too_large",
    "An integer does not fit 64 bits.",
    "Send it as a text.",
)
BAD_TEXT = error(
    "text_not_unicode",
    "A text holds half a surrogate pair, which has no encoding.",
    "Repair the text where it was cut or decoded.",
)
NUL = error(
    "text_has_nul",
    "A text holds the character NUL, which databases and warehouses do not take.",
    "Remove the character.",
)
BAD_KEY = error(
    "key_not_string",
    "A field name is not a text.",
    "Use texts as field names.",
)
TOO_DEEP = error(
    "too_deep",
    f"Objects and arrays are nested more than {MAX_DEPTH} levels deep.",
    "Send a flatter object.",
)
TOO_MANY = error(
    "too_many_properties",
    f"The call has more than {MAX_PROPERTIES:,} properties.",
    "Send what matters, or several events.",
)
TOO_LARGE = error(
    "too_large",
    f"The call is longer than {MAX_EVENT_BYTES:,} bytes as JSON.",
    "Leave out long texts and lists, or send several events.",
)

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def check_size(size: int | None, found: list[Finding]) -> None:
    if size is not None and size > MAX_EVENT_BYTES:
        found.append(TOO_LARGE.at("", f"The call is {size:,} bytes long; Segment takes {MAX_EVENT_BYTES:,} at most."))


def check_values(call: dict[Any, Any], found: list[Finding]) -> None:
    """Look at every value, without recursion: depth is a finding and not a crash."""
    # Nearly every call has nothing of all this, and is told apart without the bookkeeping that a finding needs.
    if not is_sendable(call):
        _find_unsendable(call, found)


def is_sendable(call: dict[Any, Any]) -> bool:
    """Whether all is in order, level by level. May say no to a call that has nothing wrong, never yes to another."""
    texts: list[Any] = []
    level: list[Any] = [call]
    depth = seen = 0
    while level:
        depth += 1
        seen += sum(map(len, level))
        if depth > MAX_DEPTH or seen > MAX_PROPERTIES:
            return False
        below: list[Any] = []
        for container in level:
            values = container
            if isinstance(container, dict):
                texts.extend(container)
                values = container.values()
            if not _sorted_out(values, texts, below):
                return False
        level = below
    return _are_texts(texts)


def _sorted_out(values: Iterable[Any], texts: list[Any], containers: list[Any]) -> bool:
    """Put texts and containers aside; whether all other values can be sent."""
    for value in values:
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is dict or kind is list:
            containers.append(value)
        elif value is not None and kind is not bool and _scalar_code(value) is not None:
            return False
    return True


def _are_texts(texts: list[Any]) -> bool:
    try:
        return _text_code("".join(texts)) is None
    except TypeError:  # a field name that is no text
        return False


def _find_unsendable(call: dict[Any, Any], found: list[Finding]) -> None:
    waiting: list[tuple[Any, str, int]] = [(call, "", 1)]
    seen = 0
    while waiting:
        container, path, depth = waiting.pop()
        seen += len(container)
        if seen > MAX_PROPERTIES:
            found.append(TOO_MANY.at("", f"The call has more than {MAX_PROPERTIES:,} values."))
            return
        if depth > MAX_DEPTH:
            found.append(TOO_DEEP.at(path, f"The call is nested more than {MAX_DEPTH} levels deep."))
            return
        if isinstance(container, dict):
            _check_keys(container, path, found)
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(value, dict | list | tuple):
                waiting.append((value, _below(path, key), depth + 1))
            elif (code := _scalar_code(value)) is not None:
                found.append(code.at(_below(path, key), _message(code, value)))


def _check_keys(container: dict[Any, Any], path: str, found: list[Finding]) -> None:
    for key in container:
        if not isinstance(key, str):
            found.append(BAD_KEY.at(path, f"A field name is of the type {shown(key)}, not a text."))
        elif (code := _text_code(key)) is not None:
            found.append(code.at(_below(path, key), f"A field name cannot be sent. {code.meaning}"))


def _below(path: str, key: Any) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{shown(key)}" if path else shown(key)


def _scalar_code(value: Any) -> Code | None:
    if isinstance(value, str):
        return _text_code(value)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return None if _SMALLEST <= value <= _LARGEST else TOO_LONG_NUMBER
    if isinstance(value, float):
        return None if math.isfinite(value) else NOT_FINITE
    return NOT_JSON


def _text_code(text: str) -> Code | None:
    if text.isascii():
        return NUL if "\0" in text else None
    match = _UNWRITABLE.search(text)
    if match is None:
        return None
    return NUL if match[0] == "\0" else BAD_TEXT


def _message(code: Code, value: Any) -> str:
    return f"The value is of the type {shown(value)}, which JSON does not have." if code is NOT_JSON else code.meaning
