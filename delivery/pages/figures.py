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
GAP: Final = 1
"""All in the units of the SVG, which scales to its place. The gap parts what is told apart by its colour alone."""
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
    """One span, oldest first, counted in events. `waiting`: the most that waited at once, each for over a minute.
    `more_wait`: what waits now was not counted to the end.
    """

    span: Span
    accepted: list[int]
    refused: list[int]
    waiting: list[int]
    more_wait: bool = False

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
        return "more than" if self.more_wait else "up to"

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
        gap = GAP if tall and taller else 0
        # A single refused event among a million accepted ones is what the chart is looked at for.
        tall = min(tall, BAR_AREA - taller - gap)
        hanging = _height(waiting, self.most_waiting, WAITING_AREA)
        return Bar(index * BAR_PITCH, BAR_AREA - tall, tall, BAR_AREA - tall - gap - taller, taller, hanging)


def _height(count: int, most: int, area: int) -> float:
    return round(max(2.0, count * area / most), 1) if count else 0.0


FIGURES: Final = """
SELECT span.name, accepted.count::bigint, refused.count
FROM unnest(%(names)s::text[], %(steps)s::int[], %(bars)s::int[]) AS span (name, step, bars)
CROSS JOIN LATERAL generate_series(0, bars - 1) AS age
CROSS JOIN LATERAL (
    SELECT statement_timestamp() - make_interval(secs => step * (age + 1)) AS first,
        CASE age WHEN 0 THEN 'infinity' ELSE statement_timestamp() - make_interval(secs => step * age) END AS last
) AS bar
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count), 0) AS count FROM delivery_batch
    WHERE source_id = %(source)s AND state = 'accepted' AND NOT again
        AND closed_at > bar.first AND closed_at <= bar.last
) AS accepted
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM delivery_refusal
        WHERE source_id = %(source)s AND refused_at > bar.first AND refused_at <= bar.last
        ORDER BY refused_at LIMIT %(most_refused)s
    ) AS these
) AS refused
ORDER BY age DESC
"""
# A bar is a range of an index: to divide each row's time takes six times as long as to count it. What was written while
# the statement ran may be younger than its start.

WAITING: Final = """
WITH batch AS (
    SELECT waiting_since + make_interval(secs => %(backlog)s) AS since, closed_at AS until, event_count AS events
    FROM delivery_batch WHERE source_id = %(source)s AND state <> 'split'
        AND closed_at - waiting_since > interval '1 minute'
        AND closed_at > statement_timestamp() - make_interval(secs => %(grain)s * %(grains)s)
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
    SELECT since AS at, events FROM batch
    UNION ALL
    SELECT least(until, statement_timestamp()), -events FROM batch WHERE until IS NOT NULL
), level AS (
    SELECT at, sum(events) OVER (ORDER BY at) AS waiting FROM change WHERE at <= statement_timestamp()
)
SELECT least(floor(extract(epoch FROM statement_timestamp() - at) / %(grain)s)::int, %(grains)s) AS age,
    max(waiting)::bigint, (array_agg(waiting ORDER BY at DESC))[1]::bigint
FROM level GROUP BY age
"""
# The level goes up when an event has waited for a minute and down when its batch is closed. The most and the last level
# of each grain: one in which nothing changed has that of the one before. What a split batch held its halves hold. The
# index `batch_waited` has the same minute and only the batches that waited: of a busy source next to none.


def charts_of(source: Source, standing: Standing) -> list[Chart]:
    """One for each span. Two queries, which read indexes and, of what waits, SAMPLES rows of the log."""
    with connection.cursor() as cursor:
        figures = _figures(cursor, source)
        peaks = _peaks(cursor, source, standing)
    return [_chart(span, figures[span.name], peaks, more_wait=not standing.counted_all) for span in SPANS]


def _chart(span: Span, figures: list[tuple[int, int]], peaks: list[int], *, more_wait: bool) -> Chart:
    grains = span.step // GRAIN
    waiting = [max(peaks[bar * grains : (bar + 1) * grains]) for bar in reversed(range(span.bars))]
    return Chart(span, [taken for taken, _ in figures], [refused for _, refused in figures], waiting, more_wait)


def _figures(cursor: CursorWrapper, source: Source) -> dict[str, list[tuple[int, int]]]:
    """By the span's name: accepted and refused of each bar, the oldest first."""
    values: dict[str, Any] = {
        "names": [span.name for span in SPANS],
        "steps": [span.step for span in SPANS],
        "bars": [span.bars for span in SPANS],
    }
    cursor.execute(FIGURES, {"source": source.pk, "most_refused": MOST_REFUSED, **values})
    found: dict[str, list[tuple[int, int]]] = {span.name: [] for span in SPANS}
    for name, accepted, refused in cursor.fetchall():
        found[name].append((accepted, refused))
    return found


def waiting_values(standing: Standing) -> dict[str, int]:
    return {
        "backlog": BACKLOG_SECONDS, "grain": GRAIN, "grains": GRAINS,
        "most": MOST_COUNTED, "each": 1 + standing.waiting // SAMPLES,
    }  # fmt: skip


def _peaks(cursor: CursorWrapper, source: Source, standing: Standing) -> list[int]:
    """The most that waited at once in each grain, the newest first."""
    cursor.execute(WAITING, {"source": source.pk, **waiting_values(standing)})
    found = {age: (most, last) for age, most, last in cursor.fetchall()}
    _, level = found.get(GRAINS, (0, 0))
    peaks = []
    for age in reversed(range(GRAINS)):
        most, last = found.get(age, (level, level))
        peaks.append(max(level, most))
        level = last
    return peaks[::-1]
