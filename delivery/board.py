"""All sources by how they fare, for staff: each at one place, the first that holds, with the reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, models

from delivery.enums import Hold, Outcome

BACKLOG_MINUTES: Final = 5
"""An event that waits for longer is a backlog. Customers are told of it later, and when they choose."""
MOST_COUNTED: Final = 10_000
"""Of what waits for a source; more is "more than" this."""


class Place(models.TextChoices):
    """In the order of the board: what needs somebody first."""

    HELD = "held", "Held"
    FAILING = "failing", "Failing"
    BACKLOG = "backlog", "Backlog"
    UNVERIFIED = "unverified", "Unverified"
    SHADOW = "shadow", "Shadow"
    PAUSED = "paused", "Paused"
    DISCONNECTED = "disconnected", "Disconnected"
    WORKING = "working", "Working"


PLACES: Final = """
SELECT source.id, placed.place
FROM integrations_source AS source
JOIN tenants_tenant AS tenant ON tenant.id = source.tenant_id
LEFT JOIN delivery_lane AS lane ON lane.source_id = source.id
LEFT JOIN LATERAL (
    SELECT (SELECT min(event_id) FROM delivery_pending WHERE source_id = source.id) AS event_id,
        min(waiting_since) AS batch_since
    FROM delivery_batch WHERE source_id = source.id AND state = 'open'
) AS first ON source.state = 'connected' AND coalesce(lane.hold, '') = ''
CROSS JOIN LATERAL (
    SELECT least(max(captured_at), first.batch_since) AS at FROM delivery_event WHERE id = first.event_id
) AS oldest
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN source.state <> 'connected' THEN source.state
        WHEN lane.hold <> '' THEN 'held'
        WHEN lane.failures > 0 AND oldest.at IS NOT NULL THEN 'failing'
        WHEN oldest.at < statement_timestamp() - make_interval(mins => %(minutes)s) THEN 'backlog'
        WHEN source.confirmed_version <> source.version THEN 'unverified'
        ELSE 'working'
    END AS place
) AS placed
WHERE (%(tenant)s::bigint IS NULL OR tenant.id = %(tenant)s)
    AND (source.name ILIKE %(like)s OR tenant.name ILIKE %(like)s OR tenant.slug ILIKE %(like)s)
ORDER BY array_position(%(places)s::text[], placed.place),
    coalesce(lane.held_at, oldest.at, source.changed_at), source.id
"""

SUMS: Final = f"""
SELECT place, count(*) AS count, (array_agg(id ORDER BY number))[:%(most)s] AS ids
FROM (SELECT id, place, row_number() OVER () AS number FROM ({PLACES}) AS sorted) AS numbered
GROUP BY place ORDER BY min(number)
"""  # noqa: S608  # PLACES, the constant above, is put in; values are parameters
"""Summed up by the database: ten thousand rows take longer to be fetched than to be found."""

ROWS: Final = """
SELECT source.id AS source_id, source.name AS source, tenant.id AS tenant_id, tenant.name AS tenant, source.region,
    coalesce(lane.hold, '') AS hold, coalesce(lane.hold_reason, '') AS hold_reason, lane.held_at,
    coalesce(lane.failures, 0) AS failures, open.failing_since, attempt.outcome, attempt.status_code,
    lane.last_accepted_at, key.saved_at AS key_saved_at, source.shadow_since, source.changed_at,
    least(pending.count + open.count, %(most)s + 1)::bigint AS waiting, oldest.at AS oldest_at
FROM integrations_source AS source
JOIN tenants_tenant AS tenant ON tenant.id = source.tenant_id
LEFT JOIN delivery_lane AS lane ON lane.source_id = source.id
LEFT JOIN integrations_writekey AS key ON key.source_id = source.id
CROSS JOIN LATERAL (
    SELECT count(*), min(event_id) AS first FROM (
        SELECT event_id FROM delivery_pending WHERE source_id = source.id ORDER BY event_id LIMIT %(most)s + 1
    ) AS these
) AS pending
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count), 0) AS count, min(failing_since) AS failing_since, min(waiting_since) AS since
    FROM delivery_batch WHERE source_id = source.id AND state = 'open'
) AS open
LEFT JOIN LATERAL (
    SELECT outcome, status_code FROM delivery_attempt WHERE source_id = source.id ORDER BY id DESC LIMIT 1
) AS attempt ON lane.failures > 0
CROSS JOIN LATERAL (
    SELECT least(max(captured_at), open.since) AS at FROM delivery_event WHERE id = pending.first
) AS oldest
WHERE source.id = ANY(%(ids)s)
ORDER BY array_position(%(ids)s::bigint[], source.id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A source on the board. `waiting` stops at one more than MOST_COUNTED; the last request is that of failures."""

    place: Place
    source_id: int
    source: str
    tenant_id: int
    tenant: str
    region: str
    hold: str
    hold_reason: str
    held_at: datetime | None
    failures: int
    failing_since: datetime | None
    outcome: str | None
    status_code: int | None
    last_accepted_at: datetime | None
    key_saved_at: datetime | None
    shadow_since: datetime | None
    changed_at: datetime
    waiting: int
    oldest_at: datetime | None

    @property
    def since(self) -> datetime | None:
        """From when on it has been here, as far as is known; a new key or region counts as a pause's."""
        return {
            Place.HELD: self.held_at,
            Place.FAILING: self.failing_since,
            Place.BACKLOG: self.oldest_at,
            Place.UNVERIFIED: self.key_saved_at,
            Place.SHADOW: self.shadow_since,
            Place.PAUSED: self.changed_at,
            Place.DISCONNECTED: self.changed_at,
            Place.WORKING: None,
        }[self.place]

    @property
    def reason(self) -> str:
        if self.place is Place.HELD:
            return f"{Hold(self.hold).label}. {self.hold_reason}"
        if self.place is Place.FAILING:
            return f"{_counted(self.failures, 'request')} failed in a row, the last one: {self._last_answer}."
        if self.place is Place.WORKING and self.last_accepted_at is None:
            return "Nothing was sent so far."
        return REASONS[self.place]

    @property
    def _last_answer(self) -> str:
        outcome = Outcome(self.outcome).label if self.outcome else "not kept any more"
        return f"{outcome} ({self.status_code})" if self.status_code else outcome


REASONS: Final = {
    Place.BACKLOG: f"Events have been waiting for over {BACKLOG_MINUTES} minutes; no request failed.",
    Place.UNVERIFIED: "Nobody has found a test event of this key and region in Segment.",
    Place.SHADOW: "Captured and shown, not sent.",
    Place.PAUSED: "Captured, not sent.",
    Place.DISCONNECTED: "Nothing is captured and nothing is sent.",
    Place.WORKING: "Events are accepted.",
}


@dataclass(frozen=True, slots=True)
class Board:
    """`places`: of each source that was looked for, in the order of the board."""

    places: dict[int, Place]

    @property
    def counts(self) -> dict[Place, int]:
        found = Counter(self.places.values())
        return {place: found[place] for place in Place}

    def at(self, place: Place | None) -> list[int]:
        """The ids of the sources at the place, or of all."""
        return [source_id for source_id, its in self.places.items() if place in (None, its)]

    def rows(self, ids: Sequence[int]) -> list[Row]:
        """One query."""
        found = _asked(ROWS, {"ids": list(ids), "most": MOST_COUNTED})
        return [Row(place=self.places[row["source_id"]], **row) for row in found]


def board(search: str = "") -> Board:
    """Of all tenants; those with `search` in the name of the source or the tenant, or in the slug. One query."""
    like = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Board({row["id"]: Place(row["place"]) for row in _asked(PLACES, _limits(like=f"%{like}%"))})


def board_of(tenant_id: int, most: int) -> tuple[dict[Place, int], list[int]]:
    """The sources of a tenant: how many are at each place that has one, and the ids of the first `most`. One query."""
    rows = _asked(SUMS, _limits(tenant=tenant_id, most=most))
    counts = {Place(row["place"]): row["count"] for row in rows}
    return counts, [source_id for row in rows for source_id in row["ids"]][:most]


def _limits(**values: Any) -> dict[str, Any]:
    return {"tenant": None, "like": "%", "minutes": BACKLOG_MINUTES, "places": Place.values, **values}


def _asked(query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        columns = [column.name for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def _counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"
