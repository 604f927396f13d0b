"""From a time to an id of the log, which has no index by time: ids follow the order of capture."""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

OUT_OF_ORDER: Final = timedelta(hours=1)
"""An event is captured when its statement begins, and gets its id a moment later: after a wait, if somebody has locked
the log. No such wait is nearly so long.
"""

ENDS: Final = "SELECT min(id), max(id) FROM delivery_event WHERE source_id = %s"
NEXT: Final = "SELECT id, captured_at FROM delivery_event WHERE source_id = %s AND id >= %s ORDER BY id LIMIT 1"


def begin_of(source_id: int, since: datetime) -> int:
    """No event of the source that was captured `since` then has a lower id."""
    return halve(ENDS, NEXT, source_id, since - OUT_OF_ORDER)


def end_of(source_id: int, until: datetime) -> int:
    """Every event of the source that was captured before `until` has a lower id."""
    return halve(ENDS, NEXT, source_id, until + OUT_OF_ORDER)


def halve(ends: str, following: str, source_id: int, moment: datetime) -> int:
    """The first of a source's ids whose time is `moment` or later; one more than the last if none is, 0 without any.

    `ends` asks for the first and the last id, `following` for the first one from an id on with its time: a probe of an
    index for each halving.
    """
    with connection.cursor() as cursor:
        cursor.execute(ends, [source_id])
        low, last = cursor.fetchone()
        if low is None:
            return 0
        high: int = last + 1
        while low < high:
            middle = (low + high) // 2
            cursor.execute(following, [source_id, middle])
            row = cursor.fetchone()
            if row is None or row[1] >= moment:
                high = middle
            else:
                low = row[0] + 1
    return high
