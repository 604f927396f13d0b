"""The sources of a company at a glance: a line for each, or for those that need somebody first, and a sum of all."""

from dataclasses import dataclass
from typing import Final

from delivery.board import Place, board_of
from delivery.pages.standing import Standing, standings_of
from integrations.models import Source

LINES: Final = 8


@dataclass(frozen=True, slots=True)
class Glance:
    """`lines` are LINES at most, in the order of the board; `counts` are of all, by place."""

    lines: list[tuple[Source, Standing]]
    counts: dict[Place, int]

    @property
    def count(self) -> int:
        return sum(self.counts.values())


def glance_at(tenant_id: int) -> Glance:
    """Three queries, in the scope of the tenant."""
    counts, ids = board_of(tenant_id, LINES)
    by_id = Source.objects.in_bulk(ids)
    # One that was deleted since the first query has no line.
    sources = [by_id[source_id] for source_id in ids if source_id in by_id]
    return Glance(list(zip(sources, standings_of(sources), strict=True)), counts)
