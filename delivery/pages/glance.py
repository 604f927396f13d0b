"""The sources of a company at a glance: a line for each, or for those that need somebody first, and a sum of all."""

from dataclasses import dataclass
from typing import Final

from delivery.board import Place, board
from delivery.pages.standing import Standing, standings_of
from integrations.models import Source

LINES: Final = 8


@dataclass(frozen=True, slots=True)
class Glance:
    """`lines` are LINES at most, in the order of the board; `counts` are of all, without those that are nought."""

    lines: list[tuple[Source, Standing]]
    counts: list[tuple[Place, int]]

    @property
    def count(self) -> int:
        return sum(count for _place, count in self.counts)


def glance_at(tenant_id: int) -> Glance:
    """Three queries, in the scope of the tenant."""
    found = board(tenant_id=tenant_id)
    chosen = found.at(None)[:LINES]
    by_id = Source.objects.in_bulk(chosen)
    # One that was deleted since the first query has no line.
    sources = [by_id[source_id] for source_id in chosen if source_id in by_id]
    counts = [(place, count) for place, count in found.counts.items() if count]
    return Glance(list(zip(sources, standings_of(sources), strict=True)), counts)
