from datetime import timedelta
from typing import Any

from django import template
from django.db.models import prefetch_related_objects
from django.template import Context
from django.utils import timezone

from delivery import identities
from delivery.lanes import LEASE_SECONDS
from delivery.models import Attempt, Lane
from delivery.pages import figures, glance, standing
from delivery.shadow import told
from integrations.models import Source
from tenants.models import Tenant

register = template.Library()
register.filter(told)


@register.simple_tag
def standing_of(source: Source) -> standing.Standing:
    """For pages of other apps, which include `delivery/source_state.html` and know nothing of delivery."""
    return standing.standing_of(source)


@register.simple_tag
def charts_of(source: Source, now: standing.Standing) -> list[figures.Chart]:
    """The same."""
    return figures.charts_of(source, now)


@register.simple_tag
def identities_of(source: Source) -> identities.Identities:
    """The same, for `delivery/identities.html`."""
    return identities.identities_of(source)


@register.simple_tag
def glance_at(tenant: Tenant) -> glance.Glance:
    """The same, for `delivery/glance.html`."""
    return glance.glance_at(tenant.pk)


@register.simple_tag(takes_context=True)
def lane_of(context: Context, source: Source) -> Lane | None:
    """For `delivery/source_badge.html`. The first of a page's `sources` fetches the lanes of all, in one query."""
    if not Source.lane.is_cached(source):
        sources: Any = context.get("sources")
        prefetch_related_objects(list(sources) if sources and source in sources else [source], "lane")
    return getattr(source, "lane", None)


@register.filter
def thousands(number: int) -> str:
    return f"{number:,}"


UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


@register.filter
def duration(seconds: int) -> str:
    """In the largest unit that it fills, as a person would say it."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


@register.filter
def is_under_way(attempt: Attempt) -> bool:
    """A worker may still wait for the answer. Once its lease is over none does, and nobody knows what became of it."""
    return attempt.finished_at is None and timezone.now() - attempt.started_at < timedelta(seconds=LEASE_SECONDS)


@register.simple_tag
def took(attempt: Attempt) -> str:
    """How long a request took; empty while nobody knows."""
    if attempt.finished_at is None:
        return ""
    return f"{(attempt.finished_at - attempt.started_at).total_seconds():.2f} s"
