"""Looking at a whole file before anything of it is written: what is wrong with it, and what it will cost."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from delivery.importing.errors import RowError
from delivery.importing.history import History, Row
from delivery.importing.known import known_to
from delivery.importing.tally import Month, Tally
from delivery.preparing import Prepared, prepare
from integrations.models import Source
from integrations.shaping import is_plain, is_wanted, shape
from integrations.spec.calls import Call

LINES_TOLD: Final = 5
ROWS_TOGETHER: Final = 1_000


class Progress(NamedTuple):
    """How far something came: bytes of the file, its rows or lines, and what it waits for, if it does."""

    position: int
    size: int
    rows: int
    waits_for: str = ""


Tell = Callable[[Progress], None]


@dataclass(slots=True)
class Problem:
    """What is wrong with `count` rows; `lines` are the first of them, `message` is about the very first."""

    message: str
    count: int = 0
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """`types` counts what will be sent, by type. The others are left out: `repeated` rows say what an earlier one said,
    `known` ones the source has in its log, `unwanted` ones are of events that it has turned off.
    """

    rows: int = 0
    repeated: int = 0
    known: int = 0
    unwanted: int = 0
    types: Counter[str] = field(default_factory=Counter)
    problems: dict[str, Problem] = field(default_factory=dict)
    months: list[Month] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Rows with a problem; one that has several is counted with its first."""
        return sum(problem.count for problem in self.problems.values())

    @property
    def calls(self) -> int:
        return self.types.total()


def check(source: Source, history: History, tell: Tell) -> Report:
    """Read all of it, as it would be imported into this source now, and write nothing."""
    report = Report()
    size = history.size()
    rows = history.rows()
    with closing(Tally()) as tally:
        while some := list(islice(rows, ROWS_TOGETHER)):
            _look_at(source, some, report, tally)
            tell(Progress(some[-1].position, size, report.rows))
        report.months = tally.months()
    return report


def _look_at(source: Source, rows: list[Row], report: Report, tally: Tally) -> None:
    report.rows += len(rows)
    sound = list(_sound(source, rows, report))
    fresh = tally.fresh(prepared.client_id for _, prepared in sound)
    first = [each for each, is_fresh in zip(sound, fresh, strict=True) if is_fresh]
    known = known_to(source, [prepared.client_id for _, prepared in first])
    wanted = [each for each in first if each[1].client_id not in known]
    report.repeated += len(sound) - len(first)
    report.known += len(first) - len(wanted)
    report.types.update(prepared.type for _, prepared in wanted)
    tally.add(wanted)


def _sound(source: Source, rows: list[Row], report: Report) -> Iterator[tuple[Call, Prepared]]:
    plain = is_plain(source)
    for row in rows:
        if isinstance(row.content, RowError):
            _note(report, row, row.content.code, str(row.content))
            continue
        if not is_wanted(source, row.content):
            report.unwanted += 1
            continue
        call = row.content if plain else shape(source, row.content)
        prepared = prepare(call)
        if isinstance(prepared, Prepared):
            yield call, prepared
        else:
            finding = prepared.findings[0]
            _note(report, row, finding.code, f"{finding.path}: {finding.message}" if finding.path else finding.message)


def _note(report: Report, row: Row, code: str, message: str) -> None:
    problem = report.problems.setdefault(code, Problem(message))
    problem.count += 1
    if problem.count <= LINES_TOLD:
        problem.lines.append(row.line)
