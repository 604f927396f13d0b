from dataclasses import dataclass
from datetime import datetime

from django import template

from delivery.enums import HOLDS_OF_THE_KEY
from delivery.models import Attempt, Lane
from integrations.models import Source

register = template.Library()


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """How the newest request of a source went, and why nothing more is sent, if so."""

    attempt: Attempt | None
    hold_reason: str
    waits_for_a_key: bool
    is_older: bool
    """It was made with an earlier write key or region than the source's."""
    is_under_way: bool
    """What was asked for has not been sent yet, or not been answered, and nothing keeps it back."""


@register.simple_tag
def last_answer(source: Source, since: datetime | None) -> LastAnswer:
    """For pages of other apps, which include `delivery/last_answer.html` and know nothing of delivery. Two queries.

    `since`: when the event was captured whose answer is looked for, if one is.
    """
    attempt = Attempt.objects.filter(source=source).order_by("-pk").first()
    lane = Lane.objects.filter(pk=source.pk).first()
    hold_reason = lane.hold_reason if lane and lane.hold else ""
    return LastAnswer(
        attempt=attempt,
        hold_reason=hold_reason,
        waits_for_a_key=lane is not None and lane.hold in HOLDS_OF_THE_KEY,
        is_older=attempt is not None and attempt.source_version != source.version,
        is_under_way=not hold_reason and since is not None and not _is_answered(attempt, since),
    )


def _is_answered(attempt: Attempt | None, since: datetime) -> bool:
    return attempt is not None and attempt.finished_at is not None and attempt.started_at >= since
