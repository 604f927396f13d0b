"""The lane of a source: who works on it, since when it may, why it does not.

Note: the order of locks. A transaction that touches several of these rows takes them as source, lane, batch, attempt;
the services of integrations lock the source before they tell of a change. So no two can wait for each other.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

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
    """The right to work on a lane. It ends by itself; whoever holds it proves so in each transaction with `token`."""

    source_id: int
    token: uuid.UUID


LEASE_LANE: Final = """
UPDATE delivery_lane SET lease_token = %(token)s, leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE source_id = %(source)s AND hold = ''
    AND (leased_until IS NULL OR leased_until < clock_timestamp())
    AND (not_before IS NULL OR not_before <= clock_timestamp())
"""


def lease(source_id: int) -> Lease | None:
    """None when somebody works on the lane, or it must wait, or is held, or its source is gone."""
    mine = Lease(source_id, uuid.uuid4())
    if _leased(mine) or (_created(source_id) and _leased(mine)):
        return mine
    return None


def release(lease: Lease) -> None:
    """Let the next one in. A lease that has run out and is another's by now stays as it is."""
    with every_tenant():
        Lane.objects.filter(source_id=lease.source_id, lease_token=lease.token).update(
            lease_token=None, leased_until=None
        )


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


def start_afresh(source_id: int) -> None:
    """Forget holds and waits: the customer changed the source. To be called in the transaction that changes it."""
    _created(source_id)
    with every_tenant():
        Lane.objects.filter(source_id=source_id).update(
            hold="", hold_reason="", held_at=None, not_before=None, failures=0, lone_rejections=0
        )
        waiting = Batch.objects.filter(source_id=source_id, state=BatchState.OPEN)
        waiting.update(not_before=None, failing_since=None, tries=0)


def _leased(lease: Lease) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(LEASE_LANE, {"token": lease.token, "seconds": LEASE_SECONDS, "source": lease.source_id})
        return bool(cursor.rowcount)


def _created(source_id: int) -> bool:
    """Whether the lane was missing and its source was there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delivery_lane (source_id, failures, mark, hold, hold_reason, accepted_version,"
            " lone_rejections) SELECT id, 0, 0, '', '', 0, 0 FROM integrations_source WHERE id = %s"
            " ON CONFLICT DO NOTHING",
            [source_id],
        )
        return bool(cursor.rowcount)
