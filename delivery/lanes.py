"""The lane of a source: who works on it, since when it may, why it does not.

Note: the order of locks. A transaction that touches several of these rows takes them as source, lane, batch, attempt;
the services of integrations lock the source before they tell of a change. So no two can wait for each other.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest

from delivery.clock import ClockTimestamp
from delivery.enums import BatchState, Hold
from delivery.models import Batch, Lane
from tenants.scoping import every_tenant

LEASE_SECONDS: Final = 45
"""Longer than a request can last (delivery/client.py), so that a lease runs out on dead workers only."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a lane. It ends by itself; whoever holds it proves so in each transaction with `token`.

    When it was leased, `failing`: the lane's last request had failed; `proven`: a request with the source's present
    version had succeeded; `clear`: it had no open batch.
    """

    source_id: int
    token: uuid.UUID
    failing: bool = False
    proven: bool = False
    clear: bool = False


# Locked rows are passed over: a lane that somebody changes just now is looked at again when they are through. So this
# statement waits for nobody, in whatever order the lanes come.
LEASE_LANES: Final = """
WITH free AS MATERIALIZED (
    SELECT lane.source_id, asked.token, lane.failures > 0 AS failing,
        lane.accepted_version = source.version AS proven,
        NOT EXISTS (SELECT 1 FROM delivery_batch WHERE source_id = lane.source_id AND state = 'open') AS clear
    FROM unnest(%(ids)s::bigint[], %(tokens)s::uuid[]) AS asked (source_id, token)
    JOIN delivery_lane AS lane ON lane.source_id = asked.source_id
    JOIN integrations_source AS source ON source.id = asked.source_id
    WHERE lane.hold = '' AND (lane.leased_until IS NULL OR lane.leased_until < clock_timestamp())
        AND (lane.not_before IS NULL OR lane.not_before <= clock_timestamp())
    FOR NO KEY UPDATE OF lane SKIP LOCKED
)
UPDATE delivery_lane AS lane
SET lease_token = free.token, leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM free WHERE lane.source_id = free.source_id
RETURNING lane.source_id, lane.lease_token, free.failing, free.proven, free.clear;

SET LOCAL synchronous_commit = off
"""
# Nothing has to outlive a crash of the database before the attempt does, whose commit waits for the disk and takes
# along all that was written before. So a request waits once and not three times, while others write much.


def lease(source_id: int) -> Lease | None:
    """None when somebody works on the lane, or it must wait, or is held, or its source is gone."""
    return next(iter(lease_many([source_id])), None)


def lease_many(source_ids: Sequence[int]) -> list[Lease]:
    """Leases of those lanes that are free and may be worked on, in the order asked."""
    leases = _leased(source_ids)
    missing = set(source_ids) - leases.keys()
    if missing and (created := _created(missing)):
        leases |= _leased(created)
    return [leases[source_id] for source_id in dict.fromkeys(source_ids) if source_id in leases]


RELEASE_LANES: Final = """
WITH mine AS MATERIALIZED (
    SELECT lane.source_id FROM unnest(%s::bigint[], %s::uuid[]) AS lease (source_id, token)
    JOIN delivery_lane AS lane ON lane.source_id = lease.source_id AND lane.lease_token = lease.token
    ORDER BY lane.source_id FOR NO KEY UPDATE OF lane
)
UPDATE delivery_lane SET lease_token = NULL, leased_until = NULL WHERE source_id IN (SELECT source_id FROM mine)
"""


def release(*leases: Lease) -> None:
    """Let the next ones in. A lease that has run out and is another's by now stays as it is."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE_LANES, [[each.source_id for each in leases], [each.token for each in leases]])


def lock_source(source_id: int) -> int | None:
    """Keep the source as it is until the transaction ends. Returns its tenant's id, or None when it is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenant_id FROM integrations_source WHERE id = %s FOR SHARE", [source_id])
        row = cursor.fetchone()
    return row[0] if row else None


def wait(source_id: int, seconds: float) -> None:
    """Leave the lane alone for a while, or for longer if it waits already: the sweep wakes it then."""
    until = ClockTimestamp() + timedelta(seconds=seconds)
    with every_tenant():
        Lane.objects.filter(source_id=source_id).update(not_before=Greatest(F("not_before"), until))


def hold(source_id: int, why: Hold, reason: str) -> None:
    """Stop sending until the customer has done something. `reason` says what, in words for them."""
    with every_tenant():
        Lane.objects.filter(source_id=source_id).update(hold=why, hold_reason=reason, held_at=ClockTimestamp())


def ensure(source_id: int) -> None:
    """The lane of a source that nothing was captured for yet is missing."""
    _created([source_id])


def start_afresh(source_id: int) -> None:
    """Forget holds and waits: the customer changed the source. To be called in the transaction that changes it."""
    _created([source_id])
    with every_tenant():
        Lane.objects.filter(source_id=source_id).update(
            hold="", hold_reason="", held_at=None, not_before=None, failures=0, rejections=0
        )
        waiting = Batch.objects.filter(source_id=source_id, state=BatchState.OPEN)
        waiting.update(not_before=None, failing_since=None, tries=0)


def _leased(source_ids: Collection[int]) -> dict[int, Lease]:
    asked: dict[str, Any] = {
        "ids": list(source_ids),
        "tokens": [uuid.uuid4() for _ in source_ids],
        "seconds": LEASE_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(LEASE_LANES, asked)
        return {row[0]: Lease(*row) for row in cursor.fetchall()}


def _created(source_ids: Collection[int]) -> list[int]:
    """Those whose lane was missing and whose source was there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delivery_lane (source_id, failures, mark, hold, hold_reason, accepted_version,"
            " rejections) SELECT id, 0, 0, '', '', 0, 0 FROM integrations_source WHERE id = ANY(%s)"
            " ORDER BY id ON CONFLICT DO NOTHING RETURNING source_id",
            [list(source_ids)],
        )
        return [source_id for (source_id,) in cursor.fetchall()]
