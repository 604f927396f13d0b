from dataclasses import dataclass
from typing import Final

from django import template
from django.db.models import Sum

from delivery import identifiers
from delivery.enums import HOLDS_OF_THE_KEY, BatchState
from delivery.holding import batches_holding
from delivery.models import Attempt, Batch, Event, Lane, Pending
from integrations.models import Source

register = template.Library()

MOST_AHEAD: Final = 10_000
"""Events that go before another are counted up to this."""


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """How the newest request of a source, or of one event of it, went, and why nothing more is sent, if so."""

    attempt: Attempt | None
    hold_reason: str
    waits_for_a_key: bool
    is_older: bool
    """It was made with an earlier write key or region than the source's."""
    is_under_way: bool
    """The event has not been sent yet, or not been answered, and nothing keeps it back."""
    ahead: int
    """Of the source's events those that go before it, MOST_AHEAD at most."""

    @property
    def counted_all(self) -> bool:
        return self.ahead < MOST_AHEAD


@register.simple_tag
def last_answer(source: Source, message_id: str) -> LastAnswer:
    """For pages of other apps, which include `delivery/last_answer.html` and know nothing of delivery.

    `message_id`: what its call said of the event whose answer is looked for; empty when any of the source will do. Two
    queries then, and five at most for an event.
    """
    event = _event(source, message_id) if message_id else None
    batches = batches_holding([(source.pk, event.pk)]) if event else []
    attempts = Attempt.objects.filter(batch__in=batches) if message_id else Attempt.objects.filter(source=source)
    attempt = attempts.order_by("-pk").first()
    lane = Lane.objects.filter(pk=source.pk).first()
    hold_reason = lane.hold_reason if lane and lane.hold else ""
    is_under_way = event is not None and not hold_reason and (attempt is None or attempt.finished_at is None)
    return LastAnswer(
        attempt=attempt,
        hold_reason=hold_reason,
        waits_for_a_key=lane is not None and lane.hold in HOLDS_OF_THE_KEY,
        is_older=attempt is not None and attempt.source_version != source.version,
        is_under_way=is_under_way,
        ahead=_ahead_of(event, batches) if event and is_under_way else 0,
    )


def _event(source: Source, message_id: str) -> Event | None:
    derived = identifiers.derive(source.message_id_key, message_id)
    return Event.objects.filter(source=source, message_id=derived).first()


def _ahead_of(event: Event, batches: list[int]) -> int:
    """What lies in a batch goes in the order of the batches, before all that waits to be put in one."""
    earlier = Batch.objects.filter(source=event.source_id, state=BatchState.OPEN)
    if batches:
        earlier = earlier.filter(pk__lt=min(batches))
    ahead: int = earlier.aggregate(count=Sum("event_count", default=0))["count"]
    if not batches:
        ahead += Pending.objects.filter(source=event.source_id, event_id__lt=event.pk)[:MOST_AHEAD].count()
    return min(ahead, MOST_AHEAD)
