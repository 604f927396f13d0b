"""The points of the reviewers' checklist that are about the product and its pages, not about calls."""

from typing import Final

from django.conf import settings

from integrations.catalog.sent import SentEvent, sent_events
from integrations.enums import Region
from integrations.forms import ConnectForm

_NOBODYS: Final = (".example", ".invalid", ".localhost", ".test", "@localhost", "@127.0.0.1")
"""Domains that no mail reaches (RFC 2606)."""


def documented_names() -> frozenset[str]:
    return frozenset(event.name for event in sent_events())


def region_problem() -> str:
    """What keeps a customer from choosing a region, as a sentence, or nothing."""
    offered = {value for value, _ in ConnectForm.base_fields["region"].choices}  # type: ignore[attr-defined]  # a ChoiceField
    missing = [region.label for region in Region if region not in offered or region not in settings.SEGMENT_URLS]
    return f"The form does not offer {' and '.join(missing)}." if missing else ""


def documentation_problem() -> str:
    """What the page for the catalog lacks, as a sentence, or nothing."""
    if settings.SUPPORT_EMAIL.endswith(_NOBODYS) and not settings.DEMO:
        return "The support address is an example: set SUPPORT_EMAIL to one that people read."
    return next((problem for event in sent_events() if (problem := _problem_of(event))), "")


def _problem_of(event: SentEvent) -> str:
    if not event.example:
        return f"{event.mapping} takes no dataclass: what it sends cannot be documented."
    if not event.about:
        return f"“{event.name}” has no description: give its mapping `about`."
    for field in event.properties:
        if not field.about:
            return f"“{field.name}” of “{event.name}” has no meaning: give it one in the mapping's `properties`."
    return ""
