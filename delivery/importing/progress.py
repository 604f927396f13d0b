"""How far an import came, on one line of a terminal that is written anew, or in plain lines now and then."""

import time
from datetime import timedelta
from typing import Final

from django.core.management.base import OutputWrapper

from delivery.importing.checking import Progress

BAR: Final = 24
EVERY_ON_TERMINAL: Final = 0.2
EVERY_ELSEWHERE: Final = 10.0


class Reporter:
    def __init__(self, out: OutputWrapper, what: str) -> None:
        self._out = out
        self._what = what
        self._live = out.isatty()
        self._began = time.monotonic()
        self._next = self._began if self._live else self._began + EVERY_ELSEWHERE
        self._first: Progress | None = None
        self._shown = 0

    def tell(self, progress: Progress) -> None:
        """Shown when it is time. The rate is that of this run, which may have begun in the middle of the file."""
        self._first = self._first or progress
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (EVERY_ON_TERMINAL if self._live else EVERY_ELSEWHERE)
        line = self._line(progress, self._first, max(now - self._began, 0.001))
        if self._live:
            # Spaces wipe out what a longer line left.
            self._out.write(f"\r{line:<{self._shown}}", ending="")
        else:
            self._out.write(line)
        self._out.flush()
        self._shown = len(line)

    def end(self) -> None:
        if self._live and self._shown:
            self._out.write("")

    def _line(self, progress: Progress, first: Progress, seconds: float) -> str:
        share = progress.position / progress.size if progress.size else 1.0
        bar = ("#" * round(share * BAR)).ljust(BAR, ".")
        rate = (progress.rows - first.rows) / seconds
        moved = progress.position - first.position
        left = timedelta(seconds=round((progress.size - progress.position) * seconds / moved)) if moved else "?"
        text = f"{self._what} [{bar}] {share:4.0%}  {progress.rows:,} rows  {rate:,.0f}/s  {left} left"
        return f"{text}  waits: {progress.waits_for}" if progress.waits_for else text
