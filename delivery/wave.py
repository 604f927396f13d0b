"""The first requests of many lanes at once: for those that have a few events and nothing else to send.

What a lane costs by itself is mostly round trips. Here they are shared: one read of the credentials, one trip for the
permits, one transaction that cuts the batches and begins their attempts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from delivery import clock
from delivery.batching import THESE, Parcel
from delivery.client import batch_url
from delivery.errors import InsecureUrlError
from delivery.lanes import LEASE_SECONDS
from delivery.limiter import Asked, permits
from delivery.models import Batch
from delivery.recording import Sent
from delivery.runs import Run
from delivery.senders import senders
from integrations.enums import Region
from integrations.queries import SendingCredentials, sending_credentials_of

FEW_EVENTS: Final = 40
FEW_BYTES: Final = 64_000
"""Fifty lanes of a turn come to 3 MB at most. Who has more is not helped much by sharing."""

Ready = dict[int, tuple[Run, SendingCredentials]]
"""By source id."""

Row = tuple[int, str, int, list[str], datetime]
"""Source id; ids (as PostgreSQL writes an array), bytes and payloads of its events; when the first was captured."""


def begin_wave(runs: Sequence[Run]) -> None:
    """Begin the only request of each lane that has little to send. The others are as they were, but for those that
    have nothing to send or no thread to send it: they are done.
    """
    reserved: Ready = {}
    for source_id, (run, credentials) in _ready(runs).items():
        run.going = senders(credentials.region).reserve()
        if run.going:
            reserved[source_id] = (run, credentials)
    try:
        for sent, parcel in _begin(reserved):
            run, _ = reserved[sent.credentials.source_id]
            run.going = False
            run.fly(sent, parcel.payloads)
    finally:
        for run, credentials in reserved.values():
            if not run.flights:
                senders(credentials.region).give_back()


def _ready(runs: Sequence[Run]) -> Ready:
    """Those of the runs that may send; one for each write key, because a permit is for one request."""
    found = sending_credentials_of([run.lease.source_id for run in runs])
    keys: set[str] = set()
    ready: Ready = {}
    for run in runs:
        credentials = found.get(run.lease.source_id)
        if not isinstance(credentials, SendingCredentials) or run.lease.failing or not _is_safe(credentials.region):
            continue
        run.credentials = credentials
        if credentials.rate_key not in keys:
            keys.add(credentials.rate_key)
            ready[run.lease.source_id] = (run, credentials)
    return ready


def _is_safe(region: Region) -> bool:
    try:
        return bool(batch_url(region))
    except InsecureUrlError:
        return False  # raised again when the lane is begun by itself, and dealt with there


LOCK_SOURCES: Final = """
SELECT source.id FROM unnest(%s::bigint[], %s::int[]) AS ready (id, version)
JOIN integrations_source AS source ON source.id = ready.id AND source.version = ready.version
WHERE source.state = 'connected' ORDER BY source.id FOR SHARE OF source
"""

LOCK_LANES: Final = """
WITH mine AS MATERIALIZED (
    SELECT lane.source_id FROM unnest(%s::bigint[], %s::uuid[], %s::text[]) AS ready (source_id, token, key_id)
    JOIN delivery_lane AS lane ON lane.source_id = ready.source_id AND lane.lease_token = ready.token
    WHERE lane.source_id = ANY(%s) AND lane.leased_until > clock_timestamp() AND lane.hold = ''
        AND (lane.not_before IS NULL OR lane.not_before <= clock_timestamp())
        AND NOT EXISTS (
            SELECT 1 FROM delivery_ratehold AS hold WHERE hold.key_id = ready.key_id AND hold.until > clock_timestamp()
        )
    ORDER BY lane.source_id FOR UPDATE OF lane
)
UPDATE delivery_lane AS lane SET leased_until = clock_timestamp() + make_interval(secs => %s)
FROM mine WHERE lane.source_id = mine.source_id RETURNING lane.source_id, clock_timestamp()
"""
# The same conditions as for one lane, in delivery/sending.py.

TAKE: Final = """
WITH next AS (
    SELECT pending.place,
        count(*) OVER of_lane AS events, sum(pending.bytes + 1) OVER of_lane AS bytes
    FROM unnest(%(ids)s::bigint[]) AS lane (source_id) CROSS JOIN LATERAL (
        SELECT ctid AS place, bytes FROM delivery_pending WHERE source_id = lane.source_id
        ORDER BY event_id LIMIT %(events)s + 1
    ) AS pending
    WHERE NOT EXISTS (SELECT 1 FROM delivery_batch WHERE source_id = lane.source_id AND state = 'open')
    WINDOW of_lane AS (PARTITION BY lane.source_id)
), taken AS (
    DELETE FROM delivery_pending
    WHERE ctid = ANY(ARRAY(SELECT place FROM next WHERE events <= %(events)s AND bytes <= %(bytes)s))
    RETURNING event_id
)
SELECT min(event_id) AS first, max(event_id) AS last, array_agg(event_id)::text AS ids FROM taken
"""
# By place, for the reason that delivery/batching.py gives.

READ: Final = f"""
SELECT source_id, array_agg(id ORDER BY id)::text, sum(bytes)::int, array_agg(payload ORDER BY id), min(captured_at)
FROM delivery_event WHERE {THESE} GROUP BY source_id
"""  # noqa: S608  # only constants of ours are put in; values are parameters

IDLE: Final = """
SELECT source_id FROM unnest(%s::bigint[]) AS lane (source_id)
WHERE (SELECT min(event_id) FROM delivery_pending WHERE source_id = lane.source_id) IS NULL
    AND (SELECT min(id) FROM delivery_batch WHERE source_id = lane.source_id AND state = 'open') IS NULL
"""
# Hints that came twice name lanes that are empty by now. What is captured from here on is seen after the release. Of
# the smallest, see delivery/sweep.py.


def _begin(ready: Ready) -> list[tuple[Sent, Parcel]]:
    """Cut and begin, in the order of locks that delivery/lanes.py tells, for all at once."""
    if not ready:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_SOURCES, [list(ready), [each.version for _, each in ready.values()]])
        unchanged = [source_id for (source_id,) in cursor.fetchall()]
        tokens = [run.lease.token for run, _ in ready.values()]
        keys = [each.rate_key for _, each in ready.values()]
        cursor.execute(LOCK_LANES, [list(ready), tokens, keys, unchanged, LEASE_SECONDS])
        lanes = cursor.fetchall()
        locked = [source_id for source_id, _ in lanes]
        for _, moment in lanes[:1]:
            clock.learn(moment)
        rows = _taken(cursor, locked)
        if untouched := set(locked) - {source_id for source_id, *_ in rows}:
            cursor.execute(IDLE, [list(untouched)])
            for (source_id,) in cursor.fetchall():
                ready[source_id][0].going = False
        return _written(cursor, rows, ready) if rows else []


def _taken(cursor: CursorWrapper, source_ids: list[int]) -> list[Row]:
    """What these lanes had to send, of those that have few events and no open batch."""
    cursor.execute(TAKE, {"ids": source_ids, "events": FEW_EVENTS, "bytes": FEW_BYTES})
    first, last, ids = cursor.fetchone()
    if ids is None:
        return []
    cursor.execute(READ, {"first": first, "last": last, "ids": ids})
    rows: list[Row] = cursor.fetchall()
    return rows


WRITE: Final = """
WITH ready AS (
    SELECT * FROM unnest(
        %s::bigint[], %s::bigint[], %s::text[], %s::int[], %s::timestamptz[],
        %s::text[], %s::int[], %s::uuid[], %s::boolean[]
    ) AS lane (source_id, tenant_id, ids, bytes, since, region, version, token, permitted)
), batch AS (
    INSERT INTO delivery_batch (
        tenant_id, source_id, event_ids, event_count, bytes,
        state, reason, attempts_made, tries, crashes, ambiguous_region, waiting_since, created_at
    )
    SELECT tenant_id, source_id, ids::bigint[], cardinality(ids::bigint[]), bytes,
        'open', '', permitted::int, 0, 0, '', since, clock_timestamp()
    FROM ready RETURNING id, source_id
)
INSERT INTO delivery_attempt (
    batch_id, source_id, number, region, source_version, lease_token, started_at, outcome, ambiguous, answer
)
SELECT batch.id, source_id, 1, region, version, token, clock_timestamp(), 'unknown', true, ''
FROM batch JOIN ready USING (source_id) WHERE permitted RETURNING source_id, batch_id, id
"""


def _written(cursor: CursorWrapper, rows: Sequence[Row], ready: Ready) -> list[tuple[Sent, Parcel]]:
    """A batch for each lane, and the attempt of those that have a permit. The others are sent alone, when they may."""
    # Asked as late as can be, because a late permit is worth nothing; and for none that has nothing to send.
    _take_permits([ready[source_id] for source_id, *_ in rows])
    columns = zip(*(_columns(row, *ready[row[0]]) for row in rows), strict=True)
    cursor.execute(WRITE, [list(column) for column in columns])
    by_source = {row[0]: row for row in rows}
    return [
        _sent(attempt_id, batch_id, by_source[source_id], ready[source_id][1])
        for source_id, batch_id, attempt_id in cursor.fetchall()
    ]


def _columns(row: Row, run: Run, credentials: SendingCredentials) -> tuple[object, ...]:
    source_id, ids, size, _, since = row
    return (
        source_id, credentials.tenant_id, ids, size, since,
        credentials.region.value, credentials.version, run.lease.token, run.permit is not None,
    )  # fmt: skip


def _sent(attempt_id: int, batch_id: int, row: Row, credentials: SendingCredentials) -> tuple[Sent, Parcel]:
    source_id, ids, size, payloads, _ = row
    event_ids = [int(each) for each in ids[1:-1].split(",")]
    batch = Batch(
        pk=batch_id, source_id=source_id, tenant_id=credentials.tenant_id, event_ids=event_ids,
        event_count=len(event_ids), bytes=size, attempts_made=1,
    )  # fmt: skip
    return Sent(attempt_id, batch, credentials), Parcel(batch, payloads, last=True)


LEAD: Final = 1_000
SPAN: Final = 1_500
"""Microseconds for each lane of a wave. Its requests share one interpreter, which takes a millisecond or two for each.
With the moments one after the other, and time to be late in, hardly a permit has to be asked for twice; and the next
event of a lane still gets its permit at once, with a wait under the limiter's patience.
"""


def _take_permits(wanted: Sequence[tuple[Run, SendingCredentials]]) -> None:
    span = SPAN * len(wanted)
    asked = [
        Asked(each.rate_key, each.region, each.source_id, number * LEAD, span)
        for number, (_, each) in enumerate(wanted)
    ]
    for (run, _), permit in zip(wanted, permits(asked), strict=True):
        run.permit = permit if permit.is_given else None
        run.clear = False
