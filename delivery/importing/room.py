"""Back-pressure: a file waits while its source has live events to send.

What waits of an import waits in the file, not in the lane. So a live event finds some batches before it at most,
whatever the size of the file, and capture and turn know nothing of imports.
"""

from typing import Final

from django.db import connection

from delivery.enums import Hold
from integrations.enums import SourceState

MOST_WAITING: Final = 5_000
"""Events of the source, pending or in open batches. Two to five batches: enough to keep a lane at full speed."""

WAITING: Final = """
SELECT source.state, coalesce(lane.hold, ''), pending.count + coalesce(batches.open, 0)
FROM integrations_source AS source LEFT JOIN delivery_lane AS lane ON lane.source_id = source.id
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM delivery_pending
        WHERE source_id = source.id AND event_id > coalesce(lane.mark, 0) ORDER BY event_id LIMIT %(most)s
    ) AS next
) AS pending
CROSS JOIN LATERAL (
    SELECT sum(event_count) AS open FROM delivery_batch WHERE source_id = source.id AND state = 'open'
) AS batches
WHERE source.id = %(source)s
"""
# Behind the lane's mark only, for the reason that it exists: before it lie the dead entries of what was just sent.


def waits_for(source_id: int) -> str:
    """Why the next rows must wait, in words; empty when there is room for them."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"source": source_id, "most": MOST_WAITING})
        row = cursor.fetchone()
    if row is None or row[2] < MOST_WAITING:
        return ""
    state, hold, _waiting = row
    if state != SourceState.CONNECTED:
        return f"the source is {state}: resume it, or stop here and go on later"
    if hold:
        return f"the source is held ({Hold(hold).label.lower()}): see to it, or stop here and go on later"
    return "events of the source are sent first"
