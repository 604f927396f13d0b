"""What was accepted, refused and waiting lately, as bars: a chart that needs no JavaScript is an SVG of rectangles."""

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper

from delivery.pages.standing import BACKLOG_SECONDS, MOST_COUNTED, Standing
from integrations.models import Source

BAR_AREA: Final = 48
WAITING_AREA: Final = 15
BAR_PITCH: Final = 10
BAR_WIDTH: Final = 8
"""All in the units of the SVG, which scales to its place."""
MOST_REFUSED: Final = 5_000
"""Are counted for one bar; with more the chart says "at least". They may be hundreds of thousands, and a page that is
open asks again and again."""
SAMPLES: Final = 500
"""Of what waits and is in no batch: so many are asked when they were captured, and each stands for those around it."""


@dataclass(frozen=True, slots=True)
class Span:
    name: str
    title: str
    step: int
    bars: int
    each: str


SPANS: Final = (
    Span("hour", "Last hour", 300, 12, "5 minutes"),
    Span("day", "Last 24 hours", 3_600, 24, "hour"),
    Span("week", "Last 7 days", 86_400, 7, "day"),
)
GRAIN: Final = 300
"""Seconds; the smallest step, of which the others are multiples."""
GRAINS: Final = max(span.step * span.bars for span in SPANS) // GRAIN


@dataclass(frozen=True, slots=True)
class Bar:
    """Refused stands on accepted; waiting hangs below the line. `y` is the top, as SVG counts."""

    x: int
    accepted_y: float
    accepted_height: float
    refused_y: float
    refused_height: float
    waiting_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """One span, oldest first, counted in events. `waiting`: the most that waited at once, each for over a minute."""

    span: Span
    accepted: list[int]
    refused: list[int]
    waiting: list[int]

    @property
    def total_accepted(self) -> int:
        return sum(self.accepted)

    @property
    def total_refused(self) -> int:
        return sum(self.refused)

    @property
    def most_waiting(self) -> int:
        return max(self.waiting)

    @property
    def counted_all(self) -> bool:
        return max(self.refused) < MOST_REFUSED

    @property
    def up_to(self) -> str:
        return "up to" if self.most_waiting < MOST_COUNTED else "more than"

    @property
    def most(self) -> int:
        return max(map(sum, zip(self.accepted, self.refused, strict=True)))

    @property
    def width(self) -> int:
        return self.span.bars * BAR_PITCH - (BAR_PITCH - BAR_WIDTH)

    @property
    def bars(self) -> list[Bar]:
        columns = zip(self.accepted, self.refused, self.waiting, strict=True)
        return [self._bar(index, *counts) for index, counts in enumerate(columns)]

    def _bar(self, index: int, accepted: int, refused: int, waiting: int) -> Bar:
        tall, taller = _height(accepted, self.most, BAR_AREA), _height(refused, self.most, BAR_AREA)
        # A single refused event among a million accepted ones is what the chart is looked at for.
        tall = min(tall, BAR_AREA - taller)
        hanging = _height(waiting, self.most_waiting, WAITING_AREA)
        return Bar(index * BAR_PITCH, BAR_AREA - tall, tall, BAR_AREA - tall - taller, taller, hanging)


def _height(count: int, most: int, area: int) -> float:
    return round(max(2.0, count * area / most), 1) if count else 0.0


FIGURES: Final = """
WITH span AS (
    SELECT * FROM unnest(%(names)s::text[], %(steps)s::int[], %(bars)s::int[]) AS span (name, step, bars)
)
SELECT span.name, counted.age, counted.accepted, counted.refused FROM span CROSS JOIN LATERAL (
    SELECT floor(extract(epoch FROM statement_timestamp() - closed_at) / step)::int AS age,
        sum(event_count)::bigint AS accepted, 0::bigint AS refused
    FROM delivery_batch
    WHERE source_id = %(source)s AND state = 'accepted' AND NOT again
        AND closed_at > statement_timestamp() - make_interval(secs => step * bars)
    GROUP BY 1
    UNION ALL
    SELECT age, 0, refusals.count FROM generate_series(0, bars - 1) AS age CROSS JOIN LATERAL (
        SELECT count(*) FROM (
            SELECT 1 FROM delivery_refusal WHERE source_id = %(source)s
                AND refused_at > statement_timestamp() - make_interval(secs => step * (age + 1))
                AND refused_at <= CASE
                    WHEN age = 0 THEN 'infinity' ELSE statement_timestamp() - make_interval(secs => step * age)
                END
            ORDER BY refused_at LIMIT %(most_refused)s
        ) AS these
    ) AS refusals
) AS counted
"""
# A bar of refusals is a range of their index: to divide each one's time takes six times as long as to count it.

WAITING: Final = """
WITH batch AS (
    SELECT waiting_since + make_interval(secs => %(backlog)s) AS since, closed_at AS until, event_count AS events
    FROM delivery_batch WHERE source_id = %(source)s AND state <> 'split'
        AND closed_at > statement_timestamp() - make_interval(secs => %(grain)s * %(grains)s)
        AND closed_at > waiting_since + make_interval(secs => %(backlog)s)
    UNION ALL
    SELECT waiting_since + make_interval(secs => %(backlog)s), NULL, event_count
    FROM delivery_batch WHERE source_id = %(source)s AND state = 'open'
    UNION ALL
    SELECT event.captured_at + make_interval(secs => %(backlog)s), NULL, sample.events
    FROM (
        SELECT min(event_id) AS first, count(*) AS events FROM (
            SELECT event_id, row_number() OVER (ORDER BY event_id) AS number
            FROM delivery_pending WHERE source_id = %(source)s ORDER BY event_id LIMIT %(most)s
        ) AS numbered GROUP BY (number - 1) / %(each)s
    ) AS sample JOIN delivery_event AS event ON event.id = sample.first
), change AS (
    SELECT since AS at, events FROM batch UNION ALL SELECT until, -events FROM batch WHERE until IS NOT NULL
), level AS (
    SELECT at, sum(events) OVER (ORDER BY at) AS waiting FROM change WHERE at <= statement_timestamp()
)
SELECT least(floor(extract(epoch FROM statement_timestamp() - at) / %(grain)s)::int, %(grains)s) AS age,
    max(waiting)::bigint, (array_agg(waiting ORDER BY at DESC))[1]::bigint
FROM level GROUP BY age ORDER BY age DESC
"""
# The level goes up when an event has waited for a minute and down when its batch is closed. The most and the last level
# of each grain: one in which nothing changed has that of the one before. What a split batch held its halves hold.


def charts_of(source: Source, standing: Standing) -> list[Chart]:
    """One for each span. Two queries, which read indexes and, of what waits, SAMPLES rows of the log."""
    charts = {span.name: Chart(span, *([0] * span.bars for _ in range(3))) for span in SPANS}
    with connection.cursor() as cursor:
        for name, age, accepted, refused in _figures(cursor, source):
            _add(charts[name], age, accepted, refused)
        peaks = _peaks(cursor, source, standing)
    for chart in charts.values():
        _fill(chart, peaks)
    return list(charts.values())


def _figures(cursor: CursorWrapper, source: Source) -> list[tuple[str, int, int, int]]:
    values: dict[str, Any] = {
        "names": [span.name for span in SPANS],
        "steps": [span.step for span in SPANS],
        "bars": [span.bars for span in SPANS],
    }
    cursor.execute(FIGURES, {"source": source.pk, "most_refused": MOST_REFUSED, **values})
    rows: list[tuple[str, int, int, int]] = cursor.fetchall()
    return rows


def _add(chart: Chart, age: int, accepted: int, refused: int) -> None:
    # A row written while the statement ran may be younger than its start.
    place = chart.span.bars - 1 - max(0, age)
    chart.accepted[place] += accepted
    chart.refused[place] += refused


def _peaks(cursor: CursorWrapper, source: Source, standing: Standing) -> list[int]:
    """The most that waited at once in each grain, the newest first."""
    values = {
        "source": source.pk, "backlog": BACKLOG_SECONDS, "grain": GRAIN, "grains": GRAINS,
        "most": MOST_COUNTED, "each": 1 + standing.waiting // SAMPLES,
    }  # fmt: skip
    cursor.execute(WAITING, values)
    found = {age: (most, last) for age, most, last in cursor.fetchall()}
    _, level = found.get(GRAINS, (0, 0))
    peaks = []
    for age in reversed(range(GRAINS)):
        most, last = found.get(age, (level, level))
        peaks.append(max(level, most))
        level = last
    return peaks[::-1]


def _fill(chart: Chart, peaks: list[int]) -> None:
    grains = chart.span.step // GRAIN
    for place in range(chart.span.bars):
        first = (chart.span.bars - 1 - place) * grains
        chart.waiting[place] = max(peaks[first : first + grains])
