import io
import time

from django.core.management.base import OutputWrapper

from delivery.importing.checking import Progress
from delivery.importing.progress import Reporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch, out: io.StringIO, *told: Progress) -> str:
    """The clock goes on by ten seconds at each look."""
    seconds = iter(range(0, 1_000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    reporter = Reporter(OutputWrapper(out), "Importing")
    for each in told:
        reporter.tell(each)
    reporter.end()
    return out.getvalue()


TOLD = [Progress(0, 1_000, 0), Progress(500, 1_000, 4_000), Progress(500, 1_000, 4_000, "events are sent first")]


def test_reporter_writes_one_line_anew_on_a_terminal(monkeypatch):
    said = shown(monkeypatch, Terminal(), *TOLD)
    first, second, third = said.split("\r")[1:]
    assert first == "Importing [........................]   0%  0 rows  0/s  ? left"
    assert second == "Importing [############............]  50%  4,000 rows  200/s  0:00:20 left"
    assert third.endswith("0:00:30 left  waits: events are sent first\n")


def test_reporter_writes_plain_lines_elsewhere(monkeypatch):
    said = shown(monkeypatch, io.StringIO(), *TOLD)
    assert "\r" not in said
    assert [line.split("]")[1].split()[0] for line in said.splitlines()] == ["0%", "50%", "50%"]


def test_reporter_is_silent_when_all_is_over_soon():
    out = io.StringIO()
    reporter = Reporter(OutputWrapper(out), "Importing")
    reporter.tell(Progress(1, 2, 3))
    reporter.end()
    assert out.getvalue() == ""
