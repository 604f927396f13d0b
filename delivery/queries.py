"""What the pages and the status command show of a source's delivery."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from django.conf import settings
from django.db import connection

from delivery.enums import BatchState
from delivery.models import Attempt, Batch, Event, Refusal, RetentionWarning
from integrations.enums import SourceState
from integrations.models import Source
from integrations.spec.findings import Finding
from integrations.spec.linter import lint

LATEST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One source's numbers, counted in events. `state` is connected, paused, shadow, disconnected or held."""

    source_id: int
    tenant: str
    source: str
    region: str
    state: str
    hold: str
    hold_reason: str
    waiting: int
    accepted: int
    refused: int
    set_aside: int
    quarantined: int
    oldest_waiting: datetime | None
    oldest_waiting_seconds: int | None

    def as_dict(self) -> dict[str, Any]:
        oldest = self.oldest_waiting.isoformat() if self.oldest_waiting else None
        return {**asdict(self), "oldest_waiting": oldest}

    @property
    def sentence(self) -> str:
        """The state in words for the customer."""
        if self.state == "held":
            return self.hold_reason
        if self.state == SourceState.CONNECTED:
            return self._sentence_of_a_running_source
        if self.state == SourceState.SHADOW:
            return "Events are captured and checked, and nothing is sent: the source is in shadow."
        kept = f" {self.waiting} are kept and wait." if self.waiting else ""
        doing = "captured, but not sent" if self.state == SourceState.PAUSED else "neither captured nor sent"
        return f"Events are {doing}, because the source is {self.state}.{kept}"

    @property
    def _sentence_of_a_running_source(self) -> str:
        if self.waiting:
            return "Events are on their way to Segment."
        if self.accepted or self.set_aside or self.quarantined:
            return "Everything captured has been dealt with."
        if self.refused:
            return "Nothing could be sent so far: every call was refused at capture. “Events and answers” says why."
        return "Nothing has happened yet. The first event is sent to Segment within seconds."


STATUS: Final = """
SELECT source.id AS source_id, tenant.slug AS tenant, source.name AS source, source.region,
    CASE WHEN source.state = 'connected' AND coalesce(lane.hold, '') <> '' THEN 'held' ELSE source.state END AS state,
    coalesce(lane.hold, '') AS hold, coalesce(lane.hold_reason, '') AS hold_reason,
    (pending.count + batches.open)::bigint AS waiting, batches.accepted, refusals.count AS refused,
    batches.set_aside, batches.quarantined, oldest.at AS oldest_waiting,
    extract(epoch FROM statement_timestamp() - oldest.at)::int AS oldest_waiting_seconds
FROM integrations_source AS source
JOIN tenants_tenant AS tenant ON tenant.id = source.tenant_id
LEFT JOIN delivery_lane AS lane ON lane.source_id = source.id
CROSS JOIN LATERAL (
    SELECT count(*), min(event_id) AS first FROM delivery_pending WHERE source_id = source.id
) AS pending
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count) FILTER (WHERE state = 'open'), 0)::bigint AS open,
        coalesce(sum(event_count) FILTER (WHERE state = 'accepted' AND NOT again), 0)::bigint AS accepted,
        coalesce(sum(event_count) FILTER (WHERE state = 'set_aside' AND NOT again), 0)::bigint AS set_aside,
        coalesce(sum(event_count) FILTER (WHERE state = 'quarantined' AND NOT again), 0)::bigint AS quarantined,
        min(event_ids[1]) FILTER (WHERE state = 'open') AS first
    FROM delivery_batch WHERE source_id = source.id
) AS batches
CROSS JOIN LATERAL (SELECT count(*) FROM delivery_refusal WHERE source_id = source.id) AS refusals
CROSS JOIN LATERAL (
    SELECT max(captured_at) AS at FROM delivery_event WHERE id = least(pending.first, batches.first)
) AS oldest
WHERE %(every)s OR source.tenant_id = %(tenant)s
ORDER BY tenant.slug, source.name
"""


def statuses(tenant_id: int | None = None) -> list[SourceStatus]:
    """Of the tenant's sources, or of all tenants' when none is given: that is for operators."""
    with connection.cursor() as cursor:
        cursor.execute(STATUS, {"every": tenant_id is None, "tenant": tenant_id})
        columns = [column.name for column in cursor.description or ()]
        return [SourceStatus(**dict(zip(columns, row, strict=True))) for row in cursor.fetchall()]


def status_of(source: Source) -> SourceStatus:
    return next(status for status in statuses(source.tenant_id) if status.source_id == source.pk)


@dataclass(frozen=True, slots=True)
class EventState:
    """An event with where it stands, in a word or two, why when it is not accepted, and the linter's warnings."""

    event: Event
    state: str
    reason: str
    warnings: list[Finding]


def latest_events(source: Source) -> list[EventState]:
    """The newest events of a source. Two queries, in the active scope."""
    events = list(Event.objects.filter(source=source).order_by("-pk")[:LATEST])
    batches = _batches_of(source, [event.pk for event in events])
    return [_state_of(event, batches.get(event.pk)) for event in events]


def latest_refusals(source: Source) -> list[Refusal]:
    return list(Refusal.objects.filter(source=source).order_by("-pk")[:LATEST])


def latest_attempts(source: Source) -> list[Attempt]:
    return list(Attempt.objects.filter(source=source).select_related("batch").order_by("-pk")[:LATEST])


def latest_warning(source: Source) -> RetentionWarning | None:
    """What of this source comes to the end of its retention without being sent."""
    return RetentionWarning.objects.filter(source=source, ended_at=None).order_by("-pk").first()


def _batches_of(source: Source, event_ids: Sequence[int]) -> dict[int, Batch]:
    """The newest batch of each event: a half comes after its whole."""
    batches = Batch.objects.filter(source=source, event_ids__overlap=list(event_ids)).order_by("pk")
    return {event_id: batch for batch in batches for event_id in batch.event_ids}


def _state_of(event: Event, batch: Batch | None) -> EventState:
    warnings = _warnings(event)
    if batch is None:
        return EventState(event, "Waiting", "", warnings)
    if batch.state == BatchState.OPEN:
        return EventState(event, "Sending" if batch.attempts_made else "Waiting", "", warnings)
    return EventState(event, BatchState(batch.state).label, batch.reason, warnings)


def _warnings(event: Event) -> list[Finding]:
    """Linted again when it is shown: cheaper than a column of every event that few have something in."""
    # An erased event has no payload.
    call = orjson.loads(event.payload) if event.payload else {}
    return lint(call, category=settings.INTEGRATION_CATEGORY or None) if call else []
