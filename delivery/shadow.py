"""Going live: what of a source's shadow is not to be sent is left out first, in chunks; then the source begins to send.

What is left out is never lost silently: it becomes discarded batches, which say why. What waited before the shadow
began is owed, and sent. The choice is made by event id, once: what is captured while chunks are left out lies behind
it, and is sent. A transaction that captured before and commits after counts as later.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from delivery.discarding import discard
from delivery.first_ids import halve
from delivery.lanes import lock_source
from delivery.shadow_models import GoingLive
from integrations.enums import SourceState
from integrations.errors import SourceStateError
from integrations.locking import locked_source
from integrations.models import Source
from integrations.services import go_live
from integrations.spec.limits import MAX_BATCH_EVENTS
from tenants.audit import note
from tenants.models import User
from tenants.scoping import every_tenant

SECONDS: Final = 5.0
"""So long whoever switches on may wait; what is left then is done by the beat's task."""

MOST_COUNTED: Final = 100_000
"""More are told as “more than” this: in a long shadow millions wait, and they are counted under the source's lock."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What going live would do: events sent, events left out, and the ids of those.

    `begun` of the sent ones are in open batches already: from before the shadow, or sent again during it. Each number
    stops at one more than MOST_COUNTED.
    """

    sent: int
    begun: int
    left_out: int
    first_id: int
    end_id: int


FIRST_SINCE: Final = """
SELECT pending.event_id, event.captured_at
FROM delivery_pending AS pending JOIN delivery_event AS event ON event.id = pending.event_id
WHERE pending.source_id = %s AND pending.event_id >= %s ORDER BY pending.event_id LIMIT 1
"""
RANGE: Final = "SELECT min(event_id), max(event_id) FROM delivery_pending WHERE source_id = %s"
COUNTS: Final = """
SELECT least(owed.count + chosen.count + begun.count, %(most)s), least(begun.count, %(most)s), left_out.count
FROM (
    SELECT count(*) FROM (
        SELECT FROM delivery_pending WHERE source_id = %(source)s AND event_id < %(first)s LIMIT %(most)s
    ) AS these
) AS owed, (
    SELECT count(*) FROM (
        SELECT FROM delivery_pending WHERE source_id = %(source)s AND event_id >= %(end)s LIMIT %(most)s
    ) AS these
) AS chosen, (
    SELECT count(*) FROM (
        SELECT FROM delivery_pending
        WHERE source_id = %(source)s AND event_id >= %(first)s AND event_id < %(end)s LIMIT %(most)s
    ) AS these
) AS left_out, (
    SELECT coalesce(sum(event_count), 0)::bigint AS count FROM delivery_batch
    WHERE source_id = %(source)s AND state = 'open'
) AS begun
"""


def catch_up(source: Source, since: datetime) -> CatchUp:
    """Of a source in shadow: what is sent of what waits, if only the shadow's events from `since` on are."""
    first_id = halve(RANGE, FIRST_SINCE, source.pk, source.shadow_since or since)
    end_id = max(first_id, halve(RANGE, FIRST_SINCE, source.pk, since))
    values = {"source": source.pk, "first": first_id, "end": end_id, "most": MOST_COUNTED + 1}
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, values)
        sent, begun, left_out = cursor.fetchone()
    return CatchUp(sent, begun, left_out, first_id, end_id)


def told(count: int) -> str:
    """A number of CatchUp as the page and the history say it."""
    return f"more than {MOST_COUNTED:,}" if count > MOST_COUNTED else f"{count:,}"


def switch_on(source: Source, since: datetime, *, by: User, seconds: float = SECONDS) -> bool:
    """Go live with the shadow's events from `since` on. Whether it is done; if not, the beat's task goes on.

    Raises SourceStateError when the source is not in shadow, or on its way out already.
    """
    with locked_source(source):
        if source.state != SourceState.SHADOW:
            raise SourceStateError(f"“{source.name}” is not in shadow. Nothing was changed.")
        plan = catch_up(source, since)
        _, fresh = GoingLive.objects.get_or_create(
            source=source, defaults={"first_id": plan.first_id, "end_id": plan.end_id, "requested_by": by.email}
        )
        if not fresh:
            raise SourceStateError(f"“{source.name}” is being switched on already. Nothing was changed.")
        counts = {"sent": told(plan.sent), "left_out": told(plan.left_out)}
        note(source.tenant_id, by, "switched on", source.name, **counts)
    return finish(source.pk, time.monotonic() + seconds)


def finish_all(seconds: float = 20.0) -> None:
    """Go on where others stopped."""
    until = time.monotonic() + seconds
    with every_tenant():
        started = list(GoingLive.objects.order_by("requested_at").values_list("pk", flat=True))
    for source_id in started:
        finish(source_id, until)


def finish(source_id: int, until: float) -> bool:
    """Leave out what is to be left out, then go live; whether that is done. Two at once do no harm.

    Works until that time (monotonic), and for one chunk at least.
    """
    with every_tenant():
        while _leave_out(source_id):
            if time.monotonic() >= until:
                return False
        return _begin_to_send(source_id)


TAKE: Final = """
DELETE FROM delivery_pending WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM delivery_pending WHERE source_id = %s AND event_id >= %s AND event_id < %s
    ORDER BY event_id LIMIT %s
)) RETURNING event_id, bytes
"""


def _leave_out(source_id: int) -> int:
    """One chunk, under the locks of the source, which keeps it in shadow, and of the row, which keeps others away."""
    with transaction.atomic(), connection.cursor() as cursor:
        going = _locked(source_id, lock_source)
        if going is None:
            return 0
        cursor.execute(TAKE, [source_id, going.first_id, going.end_id, MAX_BATCH_EVENTS])
        rows = sorted(cursor.fetchall())
        if rows:
            discard(source_id, going.source.tenant_id, rows, _reason(going))
            going.left_out += len(rows)
            going.save(update_fields=["left_out"])
    return len(rows)


def _reason(going: GoingLive) -> str:
    return (
        f"Captured in shadow, and left out when {going.requested_by} switched the source on "
        f"({going.requested_at:%Y-%m-%d %H:%M} UTC)."
    )


def _begin_to_send(source_id: int) -> bool:
    with transaction.atomic():
        going = _locked(source_id, lambda pk: Source.objects.select_for_update(no_key=True).filter(pk=pk).first())
        if going is None:
            return not GoingLive.objects.filter(pk=source_id).exists()
        source, left_out = going.source, going.left_out
        going.delete()
        go_live(source)
    log.info("A source went live; %d events were left out.", left_out, extra={"source_id": source_id})
    return True


def _locked(source_id: int, lock: Callable[[int], object]) -> GoingLive | None:
    """None when it is done, or its source was disconnected meanwhile: in shadow still, it is asked again."""
    lock(source_id)
    going = GoingLive.objects.select_for_update(of=("self",)).select_related("source").filter(pk=source_id).first()
    if going and going.source.state != SourceState.SHADOW:
        going.delete()
        return None
    return going
