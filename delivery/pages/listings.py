"""The refusals and the requests of a source, newest first, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

from delivery.models import Attempt, Refusal
from integrations.models import Source

PAGE: Final = 50
LOOKED_AT: Final = 20_000
"""Of a source's refusals, for one page of those with a name."""

Listed = TypeVar("Listed", bound=Model)


@dataclass(frozen=True, slots=True)
class Listing(Generic[Listed]):
    """`before` is where the next page goes on, 0 when there is none."""

    rows: Sequence[Listed]
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRefusals:
    """What to show. Empty is anything; `name` is a part of the name or the type, `user` is exact."""

    name: str = ""
    user: str = ""
    reason: str = ""

    @property
    def condition(self) -> Q:
        condition = Q(name__icontains=self.name) | Q(type__iexact=self.name) if self.name else Q()
        condition &= Q(user_id=self.user) if self.user else Q()
        return condition & Q(reason=self.reason) if self.reason else condition


def refusals_of(source: Source, wanted: WantedRefusals, before: int = 0) -> Listing[Refusal]:
    """Two queries at most, in the scope."""
    refusals = Refusal.objects.filter(source=source)
    if not wanted.condition:
        return _page(refusals, before)
    # An id, and not a subquery: PostgreSQL would compare all refusals of the source with it.
    end = _end_of_look(_older(refusals, before))
    listing = _page(refusals.filter(wanted.condition, pk__gte=end), before)
    return listing if listing.before else Listing(listing.rows, end)


def attempts_of(source: Source, before: int = 0) -> Listing[Attempt]:
    """With their batches. One query, in the scope."""
    attempts = Attempt.objects.filter(source=source).select_related("batch").defer("batch__event_ids")
    return _page(attempts, before)


def _page(rows: QuerySet[Listed], before: int) -> Listing[Listed]:
    found = list(_older(rows, before).order_by("-pk")[: PAGE + 1])
    return Listing(found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else 0)


def _older(rows: QuerySet[Listed], before: int) -> QuerySet[Listed]:
    return rows.filter(pk__lt=before) if before else rows


def _end_of_look(rows: QuerySet[Listed]) -> int:
    ids = rows.order_by("-pk").values_list("pk", flat=True)[LOOKED_AT - 1 : LOOKED_AT]
    return next(iter(ids), 0)
