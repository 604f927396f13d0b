"""How a source fares, in a word and a few numbers, by one query that reads no more than it must."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import connection

from delivery.enums import HOLDS_OF_THE_KEY, Hold
from integrations.models import Source

MOST_COUNTED: Final = 100_000
"""A longer backlog is shown as “more than” this: counting a million rows takes longer than a page may."""
PACE_SECONDS: Final = 60
"""The pace of a backlog is that of the last minute: a longer time would hold the outage that made the backlog."""
BACKLOG_SECONDS: Final = 60
"""Events that wait for less are on their way."""
MOST_ARRIVED: Final = 5_000
"""Of a backlog's last minute; when more were captured in it, these tell how fast they come."""
MOST_REFUSED: Final = 1_000
"""Of the last 24 hours; more are told as so many."""


class Kind(StrEnum):
    """What the sentence of a source's page says (templates/delivery/sentence.html)."""

    DISCONNECTED = "disconnected"
    SHADOW = "shadow"
    PAUSED = "paused"
    HELD = "held"
    FAILING = "failing"
    BACKLOG = "backlog"
    UNVERIFIED = "unverified"
    WORKING = "working"
    STARTING = "starting"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    NEVER_USED = "never_used"


_NOT_SENDING: Final = (Kind.DISCONNECTED, Kind.SHADOW, Kind.PAUSED)
"""These are called as the states of a source are (integrations.enums.SourceState)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Counted in events. `waiting` stops at MOST_COUNTED, `refused_lately` at MOST_REFUSED in a day; `paced` were
    accepted in the last PACE_SECONDS, and `arrived` captured, which is known of a backlog only. `is_proven`: Segment
    answered “accepted” to the present write key and region.
    """

    state: str
    is_confirmed: bool
    hold: str
    hold_reason: str
    held_at: datetime | None
    failures: int
    not_before: datetime | None
    last_accepted_at: datetime | None
    is_proven: bool
    waiting: int
    oldest_waiting: datetime | None
    set_aside: int
    quarantined: int
    paced: int
    arrived: int
    refused: bool
    refused_lately: int
    now: datetime

    @property
    def kind(self) -> Kind:
        if self.state in _NOT_SENDING:
            return Kind(self.state)
        if self.hold:
            return Kind.HELD
        if self.waiting and self.failures:
            return Kind.FAILING
        if self.waiting and self.waiting_seconds > BACKLOG_SECONDS:
            return Kind.BACKLOG
        return self._kind_without_trouble

    @property
    def _kind_without_trouble(self) -> Kind:
        # Segment answers so to a wrong key, too.
        if self.last_accepted_at:
            return Kind.WORKING if self.is_confirmed else Kind.UNVERIFIED
        if self.waiting:
            return Kind.STARTING
        if self.set_aside or self.quarantined:
            return Kind.GIVEN_UP
        return Kind.REFUSED if self.refused else Kind.NEVER_USED

    @property
    def is_sending(self) -> bool:
        """Whether what waits is sent within moments."""
        return self.kind in {Kind.UNVERIFIED, Kind.WORKING, Kind.STARTING}

    @property
    def waiting_seconds(self) -> int:
        return int((self.now - self.oldest_waiting).total_seconds()) if self.oldest_waiting else 0

    @property
    def accepted_seconds(self) -> int:
        """Since the last event was accepted."""
        return max(0, int((self.now - self.last_accepted_at).total_seconds())) if self.last_accepted_at else 0

    @property
    def counted_all(self) -> bool:
        return self.waiting < MOST_COUNTED

    @property
    def seconds_left(self) -> int | None:
        """Until the backlog is done at the present pace; None when it does not get shorter."""
        fewer = self.paced - self.arrived
        return max(1, round(self.waiting * PACE_SECONDS / fewer)) if fewer > 0 else None

    @property
    def hold_label(self) -> str:
        return Hold(self.hold).label

    @property
    def waits_for_a_key(self) -> bool:
        return self.hold in HOLDS_OF_THE_KEY


STANDING: Final = """
SELECT coalesce(lane.hold, ''), coalesce(lane.hold_reason, ''), lane.held_at, coalesce(lane.failures, 0),
    CASE WHEN lane.not_before > statement_timestamp() THEN lane.not_before END, lane.last_accepted_at,
    coalesce(lane.accepted_version = source.version, false),
    least(pending.count + open.count, %(most)s)::bigint, oldest.at,
    given_up.set_aside, given_up.quarantined, paced.count, arrived.count::bigint,
    (SELECT min(refused_at) FROM delivery_refusal WHERE source_id = source.id) IS NOT NULL, lately.refused,
    statement_timestamp()
FROM unnest(%(sources)s::bigint[], %(versions)s::int[]) WITH ORDINALITY AS source (id, version, place)
LEFT JOIN delivery_lane AS lane ON lane.source_id = source.id
CROSS JOIN LATERAL (
    SELECT count(*), min(event_id) AS first FROM (
        SELECT event_id FROM delivery_pending WHERE source_id = source.id ORDER BY event_id LIMIT %(most)s
    ) AS these
) AS pending
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count), 0)::bigint AS count, min(waiting_since) AS since
    FROM delivery_batch WHERE source_id = source.id AND state = 'open'
) AS open
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count) FILTER (WHERE state = 'set_aside'), 0)::bigint AS set_aside,
        coalesce(sum(event_count) FILTER (WHERE state = 'quarantined'), 0)::bigint AS quarantined
    FROM delivery_batch WHERE source_id = source.id AND state IN ('set_aside', 'quarantined') AND NOT again
) AS given_up
CROSS JOIN LATERAL (
    SELECT coalesce(sum(event_count), 0)::bigint AS count FROM delivery_batch
    WHERE source_id = source.id AND state = 'accepted'
        AND closed_at > statement_timestamp() - make_interval(secs => %(pace)s)
) AS paced
CROSS JOIN LATERAL (
    SELECT count(*) AS refused FROM (
        SELECT 1 FROM delivery_refusal
        WHERE source_id = source.id AND refused_at > statement_timestamp() - interval '1 day' LIMIT %(most_refused)s
    ) AS these
) AS lately
CROSS JOIN LATERAL (
    SELECT least(max(captured_at), open.since) AS at FROM delivery_event WHERE id = pending.first
) AS oldest
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN count(*) < %(most_arrived)s THEN count(*)
        ELSE count(*) * %(pace)s / greatest(1, extract(epoch FROM statement_timestamp() - min(captured_at)))
    END AS count
    FROM (
        SELECT captured_at FROM delivery_event
        WHERE source_id = source.id
            AND paced.count > 0 AND oldest.at < statement_timestamp() - make_interval(secs => %(backlog)s)
        ORDER BY id DESC LIMIT %(most_arrived)s
    ) AS newest
    WHERE captured_at > statement_timestamp() - make_interval(secs => %(pace)s)
) AS arrived
ORDER BY source.place
"""
# What arrives is looked at only where the page tells when a backlog will be done, because it reads rows of the log.
_COLUMNS: Final = (
    "hold", "hold_reason", "held_at", "failures", "not_before", "last_accepted_at", "is_proven", "waiting",
    "oldest_waiting", "set_aside", "quarantined", "paced", "arrived", "refused", "refused_lately", "now",
)  # fmt: skip


def standing_of(source: Source) -> Standing:
    return standings_of([source])[0]


def standings_of(sources: Sequence[Source]) -> list[Standing]:
    """In their order. One query, which costs what it costs for each of them: for as many as a page shows."""
    if not sources:
        return []
    limits = {
        "most": MOST_COUNTED, "most_refused": MOST_REFUSED, "most_arrived": MOST_ARRIVED,
        "pace": PACE_SECONDS, "backlog": BACKLOG_SECONDS,
    }  # fmt: skip
    with connection.cursor() as cursor:
        asked = {"sources": [source.pk for source in sources], "versions": [source.version for source in sources]}
        cursor.execute(STANDING, {**asked, **limits})
        return [
            Standing(state=source.state, is_confirmed=source.is_confirmed, **dict(zip(_COLUMNS, row, strict=True)))
            for source, row in zip(sources, cursor.fetchall(), strict=True)
        ]
