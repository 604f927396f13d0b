from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from django.utils import timezone

from delivery.encoding import encode, storable
from delivery.errors import NotJsonError
from delivery.models import Refusal
from delivery.preparing import COLUMN_CHARACTERS, Rejected, name_of, person_of
from integrations.models import Source
from tenants.scoping import scope

EXCERPT_CHARACTERS: Final = 2_000


def record(sources: Sequence[Source], rejected: Sequence[Rejected]) -> list[Refusal]:
    """Store a refusal for each source that would have got the call, and return them."""
    if not (sources and rejected):
        return []
    tenant_id = sources[0].tenant_id
    rows = [unsaved(tenant_id, each, source) for each in rejected for source in sources]
    with scope(tenant_id):
        return Refusal.objects.bulk_create(rows)


def unsaved(tenant_id: int, rejected: Rejected, source: Source | None = None) -> Refusal:
    call = rejected.call if isinstance(rejected.call, dict) else {}
    return Refusal(
        tenant_id=tenant_id,
        source=source,
        reason=rejected.reason,
        type=storable(call.get("type"), COLUMN_CHARACTERS),
        name=name_of(call),
        user_id=person_of(call),
        findings=[_storable_finding(finding.as_dict()) for finding in rejected.findings],
        excerpt=_excerpt(rejected.call),
        refused_at=timezone.now(),
    )


def _storable_finding(finding: dict[str, str]) -> dict[str, str]:
    """A path or a message may quote the call, and so hold what PostgreSQL's jsonb refuses."""
    return {name: storable(value, EXCERPT_CHARACTERS) for name, value in finding.items()}


def _excerpt(call: Any) -> str:
    with suppress(NotJsonError):
        return storable(encode(call).decode(), EXCERPT_CHARACTERS)
    with suppress(Exception):  # a repr() of the product's may raise anything
        return storable(repr(call), EXCERPT_CHARACTERS)
    return ""
