"""The lines of a file, one at a time, however long the file or a line is."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from delivery.importing.errors import RowError

LONGEST_LINE: Final = 1_000_000
"""Bytes. A call has 32,000 at most; a longer line is passed over without being held."""


class Lines:
    """An iterator of lines as text. `position` and `number` tell how many bytes and lines it has taken so far.

    A line that is no text raises RowError, and the iterator goes on behind it when it is asked again.
    """

    def __init__(self, file: BinaryIO, position: int = 0, number: int = 0) -> None:
        self._file = file
        self.position = position
        self.number = number
        file.seek(position)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._read()
        if not raw:
            raise StopIteration
        first = self.number == 0
        self.number += 1
        if len(raw) > LONGEST_LINE:
            self._pass_over(raw)
            raise RowError("line_too_long", f"The line has over {LONGEST_LINE:,} bytes.")
        try:
            return raw.decode("utf-8-sig" if first else "utf-8")
        except UnicodeDecodeError:
            raise RowError("not_utf8", "The line is not UTF-8.") from None

    def _read(self) -> bytes:
        raw = self._file.readline(LONGEST_LINE + 1)
        self.position += len(raw)
        return raw

    def _pass_over(self, raw: bytes) -> None:
        while raw and not raw.endswith(b"\n"):
            raw = self._read()
