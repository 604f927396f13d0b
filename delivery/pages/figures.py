"""What was accepted and refused lately, as bars: a chart that needs no JavaScript is an SVG of rectangles."""

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from integrations.models import Source

BAR_AREA: Final = 48
BAR_PITCH: Final = 10
BAR_WIDTH: Final = 8
"""All in the units of the SVG, which scales to its place."""
MOST_REFUSED: Final = 5_000
"""Are counted for one bar; with more the chart says "at least". They may be hundreds of thousands, and a page that is
open asks again and again."""


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


@dataclass(frozen=True, slots=True)
class Bar:
    """Refused stands on accepted. `y` is the top, as SVG counts."""

    x: int
    accepted_y: float
    accepted_height: float
    refused_y: float
    refused_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """One span, oldest first, counted in events."""

    span: Span
    accepted: list[int]
    refused: list[int]

    @property
    def total_accepted(self) -> int:
        return sum(self.accepted)

    @property
    def total_refused(self) -> int:
        return sum(self.refused)

    @property
    def counted_all(self) -> bool:
        return max(self.refused) < MOST_REFUSED

    @property
    def most(self) -> int:
        return max(map(sum, zip(self.accepted, self.refused, strict=True)))

    @property
    def width(self) -> int:
        return self.span.bars * BAR_PITCH - (BAR_PITCH - BAR_WIDTH)

    @property
    def bars(self) -> list[Bar]:
        pairs = zip(self.accepted, self.refused, strict=True)
        return [self._bar(index, accepted, refused) for index, (accepted, refused) in enumerate(pairs)]

    def _bar(self, index: int, accepted: int, refused: int) -> Bar:
        tall, taller = self._height(accepted), self._height(refused)
        # A single refused event among a million accepted ones is what the chart is looked at for.
        tall = min(tall, BAR_AREA - taller)
        return Bar(index * BAR_PITCH, BAR_AREA - tall, tall, BAR_AREA - tall - taller, taller)

    def _height(self, count: int) -> float:
        return round(max(2.0, count * BAR_AREA / self.most), 1) if count else 0.0


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


def charts_of(source: Source) -> list[Chart]:
    """One for each span. One query, which reads indexes and no rows."""
    charts = {span.name: Chart(span, [0] * span.bars, [0] * span.bars) for span in SPANS}
    values: dict[str, list[Any]] = {
        "names": [span.name for span in SPANS],
        "steps": [span.step for span in SPANS],
        "bars": [span.bars for span in SPANS],
    }
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, {"source": source.pk, "most_refused": MOST_REFUSED, **values})
        for name, age, accepted, refused in cursor.fetchall():
            _add(charts[name], age, accepted, refused)
    return list(charts.values())


def _add(chart: Chart, age: int, accepted: int, refused: int) -> None:
    # A row written while the statement ran may be younger than its start.
    place = chart.span.bars - 1 - max(0, age)
    chart.accepted[place] += accepted
    chart.refused[place] += refused
