from dataclasses import dataclass

from django import template

from delivery.models import Attempt, Lane
from integrations.models import Source

register = template.Library()


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """How the newest request of a source went, and why nothing more is sent, if so."""

    attempt: Attempt | None
    hold_reason: str
    is_older: bool
    """It was made with an earlier write key or region than the source's."""


@register.simple_tag
def last_answer(source: Source) -> LastAnswer:
    """For pages of other apps, which include `delivery/last_answer.html` and know nothing of delivery. Two queries."""
    attempt = Attempt.objects.filter(source=source).order_by("-pk").first()
    lane = Lane.objects.filter(pk=source.pk).first()
    return LastAnswer(
        attempt=attempt,
        hold_reason=lane.hold_reason if lane and lane.hold else "",
        is_older=attempt is not None and attempt.source_version != source.version,
    )
