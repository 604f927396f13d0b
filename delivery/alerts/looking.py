"""Finding what is wrong with sources, and what is wrong no more. Looking twice at once finds everything once."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db import connection

from delivery.alerts.enums import IncidentKind
from delivery.alerts.models import BACKLOG_MINUTES, REFUSED_AN_HOUR, Incident
from delivery.enums import Hold
from delivery.expiry import retention_warned
from delivery.models import RetentionWarning
from integrations.enums import SourceState

KEY_HOLDS: Final = frozenset({Hold.KEY_REFUSED, Hold.KEY_MALFORMED})
OF_SENDING: Final = frozenset({IncidentKind.KEY_REFUSED, IncidentKind.HELD, IncidentKind.BACKLOG})
"""What is no trouble any more when the customer pauses or disconnects the source; it has not recovered either."""

log = logging.getLogger(__name__)

Open = dict[IncidentKind, Incident]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A source at a moment. `waited`: minutes of its oldest waiting event; `refused`: counted to one over the limit."""

    source_id: int
    tenant_id: int
    state: str
    hold: str
    hold_reason: str
    last_accepted_at: datetime | None
    waited: float | None
    refused: int
    most_minutes: int
    most_refused: int


LOOK: Final = """
SELECT source.id AS source_id, source.tenant_id, source.state,
    coalesce(lane.hold, '') AS hold, coalesce(lane.hold_reason, '') AS hold_reason, lane.last_accepted_at,
    waiting.minutes AS waited, refusals.count AS refused, most.minutes AS most_minutes, most.refused AS most_refused
FROM integrations_source AS source
LEFT JOIN delivery_lane AS lane ON lane.source_id = source.id
LEFT JOIN delivery_alertlimits AS limits ON limits.tenant_id = source.tenant_id
LEFT JOIN delivery_incident AS backlog
    ON backlog.source_id = source.id AND backlog.kind = 'backlog' AND backlog.closed_at IS NULL
CROSS JOIN LATERAL (
    SELECT coalesce(limits.backlog_minutes, %(minutes)s) AS minutes,
        coalesce(limits.refused_an_hour, %(refused)s) AS refused
) AS most
CROSS JOIN LATERAL (
    SELECT least(
        (SELECT captured_at FROM delivery_event WHERE id = (
            SELECT min(event_id) FROM delivery_pending WHERE source_id = source.id
        )),
        (SELECT min(waiting_since) FROM delivery_batch WHERE source_id = source.id AND state = 'open')
    ) AS since
) AS oldest
CROSS JOIN LATERAL (
    SELECT CASE WHEN oldest.since IS NOT NULL THEN extract(epoch FROM clock_timestamp() - greatest(
        oldest.since, CASE WHEN backlog.id IS NULL THEN source.changed_at END
    ))::float / 60 END AS minutes
) AS waiting
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM delivery_refusal
        WHERE source_id = source.id AND refused_at > statement_timestamp() - interval '1 hour' LIMIT most.refused + 1
    ) AS late
) AS refusals
WHERE source.id = ANY(%(troubled)s) OR source.state <> 'disconnected' AND (
    lane.hold <> '' OR waiting.minutes > most.minutes OR refusals.count > most.refused
)
ORDER BY source.id
"""
# What waits is counted from the last change of the source on: somebody who resumes one that was paused for a week, or
# pastes a new key, gets the time of a new backlog to send the old one. A backlog that is known does not begin anew: it
# is over when it was sent.


def look_around() -> None:
    """Open an incident for each new trouble, and close those that are over. In the scope of every tenant."""
    open_ones: defaultdict[int, Open] = defaultdict(dict)
    for incident in Incident.objects.filter(closed_at=None):
        open_ones[incident.source_id][IncidentKind(incident.kind)] = incident
    fresh: list[tuple[Look, IncidentKind, str]] = []
    over: list[tuple[Incident, bool]] = []
    for look in _looks(list(open_ones)):
        known = open_ones[look.source_id]
        found = troubles(look, known)
        fresh += [(look, kind, reason) for kind, reason in found.items() if kind not in known]
        ended = [incident for kind, incident in known.items() if kind not in found]
        over += [(incident, _is_news(look, incident, found)) for incident in ended]
    _open(fresh)
    _close(over)


def troubles(look: Look, known: Mapping[IncidentKind, Incident]) -> dict[IncidentKind, str]:
    """What is wrong, each with its reason. What is known to be wrong stays so until it is clearly over.

    Numbers that go up and down around a limit are one incident: it is over at half the limit.
    """
    found = dict(_holds(look, known))
    backlog = look.most_minutes / (2 if IncidentKind.BACKLOG in known else 1)
    # A held source has a backlog, and its reason is told already.
    is_sending = look.state == SourceState.CONNECTED and not look.hold
    if is_sending and look.waited is not None and look.waited > backlog:
        found[IncidentKind.BACKLOG] = f"The oldest event has been waiting for {look.waited:.0f} minutes."
    refusals = look.most_refused / (2 if IncidentKind.REFUSALS in known else 1)
    if look.state != SourceState.DISCONNECTED and look.refused > refusals:
        found[IncidentKind.REFUSALS] = f"More than {look.most_refused} events were refused within an hour."
    return found


def _holds(look: Look, known: Mapping[IncidentKind, Incident]) -> Iterator[tuple[IncidentKind, str]]:
    if look.state != SourceState.CONNECTED:
        return
    if look.hold:
        yield IncidentKind.KEY_REFUSED if look.hold in KEY_HOLDS else IncidentKind.HELD, _why_held(look)
        return
    for kind in (IncidentKind.KEY_REFUSED, IncidentKind.HELD):
        # A new key takes the hold away. Whether it is better than the old one shows when something was sent with it.
        if kind in known and look.waited is not None and not _has_sent(look, known[kind]):
            yield kind, known[kind].reason


def _why_held(look: Look) -> str:
    """Every other reason says what the customer can do; what staff type for this one need not."""
    if look.hold != Hold.STAFF:
        return look.hold_reason
    return (
        f"{look.hold_reason.rstrip(' .')}. Your events are kept and wait until our staff let them go. "
        f"Write to {settings.SUPPORT_EMAIL} if you have a question."
    )


def _has_sent(look: Look, incident: Incident) -> bool:
    return look.last_accepted_at is not None and look.last_accepted_at > incident.opened_at


def _is_news(look: Look, over: Incident, found: Collection[IncidentKind]) -> bool:
    """One trouble of sending that became another has not recovered, and what was not told yet is told with its end.

    Refusals are a trouble beside it, not after it: each of the two recovers by itself.
    """
    cannot_send = look.state != SourceState.CONNECTED or not OF_SENDING.isdisjoint(found)
    stopped = look.state == SourceState.DISCONNECTED or (over.kind in OF_SENDING and cannot_send)
    return over.told_at is None or not stopped


OPEN: Final = """
INSERT INTO delivery_incident (tenant_id, source_id, kind, reason, opened_at, is_news)
SELECT tenant_id, source_id, kind, reason, clock_timestamp(), true
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS found (tenant_id, source_id, kind, reason)
ON CONFLICT DO NOTHING
"""
# Whoever looks at the same moment finds the same. When a region is away thousands of sources have a backlog at once,
# and Django would write its INSERT row by row.
CLOSE: Final = """
WITH mine AS MATERIALIZED (
    SELECT incident.id, ended.is_news FROM unnest(%s::bigint[], %s::bool[]) AS ended (id, is_news)
    JOIN delivery_incident AS incident ON incident.id = ended.id
    WHERE incident.closed_at IS NULL ORDER BY incident.id FOR UPDATE OF incident
)
UPDATE delivery_incident SET closed_at = clock_timestamp(), is_news = mine.is_news
FROM mine WHERE delivery_incident.id = mine.id
"""
# Locked in order, as those who tell of incidents lock them.


def _open(fresh: list[tuple[Look, IncidentKind, str]]) -> None:
    rows = [(look.tenant_id, look.source_id, str(kind), reason) for look, kind, reason in fresh]
    _write(OPEN, rows)


def _close(over: list[tuple[Incident, bool]]) -> None:
    _write(CLOSE, [(incident.pk, is_news) for incident, is_news in over])


def _write(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """All rows at once, as an array for each column."""
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _looks(troubled: list[int]) -> Iterator[Look]:
    values: dict[str, Any] = {"troubled": troubled, "minutes": BACKLOG_MINUTES, "refused": REFUSED_AN_HOUR}
    with connection.cursor() as cursor:
        cursor.execute(LOOK, values)
        columns = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
    for row in rows:
        yield Look(**dict(zip(columns, row, strict=True)))


def note_retention(*, warning: RetentionWarning, **_kwargs: Any) -> None:
    """In the transaction of the warning: it is told exactly when it stands."""
    which = "first" if warning.number == 1 else "second and last"
    Incident(
        tenant_id=warning.tenant_id, source_id=warning.source_id, kind=IncidentKind.RETENTION,
        reason=(
            f"The {which} warning: {warning.events:,} old events were never accepted by Segment. They expire unsent, "
            f"not before {warning.expires_at:%d %B %Y, %H:%M} UTC."
        ),
        opened_at=warning.warned_at, closed_at=warning.warned_at,
    ).save(force_insert=True)  # fmt: skip


def connect() -> None:
    retention_warned.connect(note_retention, dispatch_uid="alerts: retention warned")
