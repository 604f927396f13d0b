"""What the status command shows of each source's delivery: all that is kept, counted to the event.

The pages of a source show less, and read no more than they must: delivery/pages/standing.py.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection


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
        min(waiting_since) FILTER (WHERE state = 'open') AS since
    FROM delivery_batch WHERE source_id = source.id
) AS batches
CROSS JOIN LATERAL (SELECT count(*) FROM delivery_refusal WHERE source_id = source.id) AS refusals
CROSS JOIN LATERAL (
    SELECT least(max(captured_at), batches.since) AS at FROM delivery_event WHERE id = pending.first
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
