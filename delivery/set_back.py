"""What lies further ahead than the engine ever sets was written before the database's clock was set back.

Left alone, lanes would sleep for as long as the clock went back. What is brought back may go on at once: how much of a
wait was left is not known any more, and whom it lets go too early Segment tells anew how long to wait.
"""

import logging
from typing import Final, NamedTuple

from django.db import connection

from delivery.lanes import LEASE_SECONDS
from delivery.outcomes import RETRY_AFTER_CAP
from delivery.retry import CAP_SECONDS

MARGIN_SECONDS: Final = 10
"""Clocks are set right by as much now and then, and nothing sleeps long for it."""

LONGEST_WAIT: Final = max(RETRY_AFTER_CAP, CAP_SECONDS)
"""Seconds: of a lane, a batch or a key."""


class Moment(NamedTuple):
    """A column that is set `at_most` so many seconds ahead, and brought back to `again` seconds."""

    table: str
    key: str
    column: str
    at_most: float
    again: float = 0
    condition: str = "true"


MOMENTS: Final = (
    # A worker that lives has its lane for a whole lease from then on: longer than its request can last.
    Moment("delivery_lane", "source_id", "leased_until", LEASE_SECONDS, LEASE_SECONDS),
    Moment("delivery_lane", "source_id", "not_before", LONGEST_WAIT),
    Moment("delivery_lane", "source_id", "mark_reset_at", 0),
    Moment("delivery_batch", "id", "not_before", LONGEST_WAIT, condition="state = 'open'"),
    Moment("delivery_ratehold", "key_id", "until", LONGEST_WAIT),
)

# Rows that somebody changes just now are passed over, so that nobody waits for anybody: there is another minute.
BRING_BACK: Final = """
UPDATE {table} SET {column} = statement_timestamp() + make_interval(secs => %s) WHERE {key} = ANY(ARRAY(
    SELECT {key} FROM {table} WHERE {condition} AND {column} > statement_timestamp() + make_interval(secs => %s)
    FOR NO KEY UPDATE SKIP LOCKED
))
"""

log = logging.getLogger(__name__)


def bring_back() -> int:
    """Let go of what waits for too late a moment; returns how many such moments there were."""
    found = 0
    with connection.cursor() as cursor:
        for moment in MOMENTS:
            cursor.execute(BRING_BACK.format(**moment._asdict()), [moment.again, moment.at_most + MARGIN_SECONDS])
            found += cursor.rowcount
    if found:
        log.warning("The database's clock has gone back: %d lanes, batches and keys waited for too late a time.", found)
    return found
