import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from delivery.encoding import encode, storable
from delivery.enums import RefusalReason
from delivery.errors import NotJsonError, describe
from delivery.models import Refusal
from delivery.preparing import COLUMN_CHARACTERS, Rejected, name_of, person_of
from integrations.models import Source
from integrations.shaping import is_plain, is_wanted, shape
from integrations.spec.findings import Finding, Severity
from tenants.scoping import scope

EXCERPT_CHARACTERS: Final = 2_000

FAULTS: Final = {
    RefusalReason.MAPPING_FAILED: "The event could not be made of what had happened.",
    RefusalReason.CAPTURE_FAILED: "The event could not be stored.",
}

NOT_RULED: Final = ("type", "event", "name", "userId", "anonymousId")
"""Parts of a call that no source's rules leave out or hide."""

log = logging.getLogger(__name__)


def fault(call: Any, reason: RefusalReason) -> Rejected:
    """Of a call that failed in our own code, or in the product's mapping: nothing in it is known to be wrong."""
    remedy = f"The fault is ours: there is nothing for you to mend. Write to {settings.SUPPORT_EMAIL} about it."
    return Rejected(call, reason, [Finding(Severity.ERROR, reason.value, "", FAULTS[reason], remedy)])


def record(sources: Sequence[Source], rejected: Sequence[Rejected]) -> list[Refusal]:
    """Store a refusal for each source that would have got the call, and return them."""
    if not (sources and rejected):
        return []
    tenant_id = sources[0].tenant_id
    rows = [unsaved(tenant_id, each, source) for each in rejected for source in sources]
    with scope(tenant_id):
        return Refusal.objects.bulk_create(rows)


def record_faults(sources: Sequence[Source], rejected: Sequence[Rejected]) -> list[Refusal]:
    """As `record`, of calls as they came: each source has a refusal of what it wants, and with no more in it."""
    refused = record([source for source in sources if is_plain(source)], rejected)
    for source in sources:
        if not is_plain(source):
            wanted = [each for each in rejected if is_wanted(source, each.call)]
            refused += record([source], [replace(each, call=_shaped(source, each.call)) for each in wanted])
    return refused


def _shaped(source: Source, call: Any) -> Any:
    try:
        return shape(source, call)
    except Exception as error:  # noqa: BLE001  # what broke the capture may break this too, of any kind; without rules applied no content is kept
        log.error("A refused call is kept without its content: %s.", describe(error))
        return {name: call[name] for name in NOT_RULED if name in call} if isinstance(call, dict) else None


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
