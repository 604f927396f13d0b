"""Calls from a file of JSON lines, one after another: whatever is in the file, each line gets findings, never more."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import orjson

from integrations.spec.codes import error, shown
from integrations.spec.findings import Finding
from integrations.spec.limits import MAX_EVENT_BYTES
from integrations.spec.linter import lint
from integrations.spec.rules.values import TOO_DEEP, TOO_LONG_NUMBER

MAX_LINE_BYTES = 1_000_000
"""A longer line is skipped over and not held: written without any waste, a call has 32,000 bytes at most."""

_SKIP_BYTES = 65_536
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAY_GROW = 5
"""Written anew, `1e15` is five times as long, and nothing grows more: shorter lines need no measuring."""

LINE_TOO_LONG = error(
    "line_too_long",
    f"A line of the file is longer than {MAX_LINE_BYTES:,} bytes, and was not looked at.",
    f"Put one call on each line, of {MAX_EVENT_BYTES:,} bytes at most.",
)
NOT_UTF8 = error(
    "line_not_utf8",
    "A line of the file is not text in UTF-8.",
    "Save the file in UTF-8.",
)
NOT_JSON = error(
    "line_not_json",
    "A line of the file is not JSON.",
    "Put one call on each line, as one JSON object.",
)
DUPLICATE_KEY = error(
    "duplicate_key",
    "An object has a field twice; which of the two counts is up to whoever reads it.",
    "Keep one of them.",
)

Line = tuple[int, bytes | None]


@dataclass(frozen=True, slots=True)
class LintedLine:
    """`bytes_read` is where the reader is in the file after this line."""

    number: int
    findings: list[Finding]
    bytes_read: int


def lint_lines(stream: BinaryIO, category: str | None = None) -> Iterator[LintedLine]:
    """The findings of each line that is not blank."""
    decoder = _Decoder()
    bytes_read = 0
    for number, (length, line) in enumerate(capped_lines(stream, MAX_LINE_BYTES), start=1):
        bytes_read += length
        if line is None:
            text = f"Line {number} is longer than {MAX_LINE_BYTES:,} bytes."
            yield LintedLine(number, [LINE_TOO_LONG.at(f"line {number}", text)], bytes_read)
        elif line.strip():
            yield LintedLine(number, _findings(decoder, number, line, category), bytes_read)


def capped_lines(stream: BinaryIO, longest: int) -> Iterator[Line]:
    """Each line with its length in bytes; None for one over `longest`, which is skipped through piece by piece."""
    mark = _BYTE_ORDER_MARK
    while piece := stream.readline(longest + 1):
        length = len(piece)
        if length <= longest or piece.endswith(b"\n"):
            yield length, piece.removeprefix(mark)
        else:
            while piece and not piece.endswith(b"\n"):
                piece = stream.readline(_SKIP_BYTES)
                length += len(piece)
            yield length, None
        # Only the first line of a file begins with one.
        mark = b""


def _findings(decoder: "_Decoder", number: int, line: bytes, category: str | None) -> list[Finding]:
    call, found = decoder.decode(number, line)
    if call is not None or not found:
        found += lint(call, size=_encoded_size(call, len(line)), category=category)
    # What concerns the whole call is about this line.
    return [finding if finding.path else replace(finding, path=f"line {number}") for finding in found]


def _encoded_size(call: Any, line_length: int) -> int | None:
    """The length of the call as it would be sent. None when it is surely short, or cannot be sent for other reasons."""
    if line_length * _MAY_GROW <= MAX_EVENT_BYTES:
        return None
    try:
        return len(orjson.dumps(call))
    except TypeError:  # orjson.JSONEncodeError is one
        return None


class _Decoder:
    """json.loads that notices duplicate fields. One decoder for all lines: to make one costs more than a line."""

    def __init__(self) -> None:
        self._duplicates: list[str] = []
        self._json = json.JSONDecoder(object_pairs_hook=self._object)

    def decode(self, number: int, line: bytes) -> tuple[Any, list[Finding]]:
        """The call and what is wrong with its text; None and a finding when there is no call to be had."""
        place = f"line {number}"
        self._duplicates.clear()
        try:
            call = self._json.decode(line.decode())
        except UnicodeDecodeError as problem:
            return None, [NOT_UTF8.at(place, f"Line {number} is not UTF-8: byte {problem.start + 1} is wrong.")]
        except json.JSONDecodeError as problem:
            text = f"Line {number} is not JSON: {problem.msg} at character {problem.pos + 1}."
            return None, [NOT_JSON.at(place, text)]
        except RecursionError:
            return None, [TOO_DEEP.at(place, f"Line {number} is nested too deeply.")]
        except ValueError:  # Python reads no integer of more than 4,300 digits
            return None, [TOO_LONG_NUMBER.at(place, f"Line {number} has an integer of thousands of digits.")]
        names = dict.fromkeys(self._duplicates)
        return call, [
            DUPLICATE_KEY.at(place, f"Line {number} has the field “{shown(name)}” twice in one object.")
            for name in list(names)[:10]
        ]

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen:
                    self._duplicates.append(name)
                seen.add(name)
        return fields
