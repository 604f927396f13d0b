"""The order of a send: permit, attempt row and commit, body, request with no transaction open, record."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeVar

from django.db import InterfaceError, OperationalError, connection

from delivery import client, clock
from delivery.batching import Parcel
from delivery.bodies import Body
from delivery.enums import Outcome
from delivery.lanes import LEASE_SECONDS, Lease
from delivery.limiter import Permit, keep
from delivery.outcomes import Answer
from delivery.recording import Sent
from delivery.senders import senders
from integrations.queries import SendingCredentials

RECORD_TRIES: Final = 3

log = logging.getLogger(__name__)

T = TypeVar("T")


class NoPermitError(Exception):
    """The permit came too late, and another one was not to be had."""


NO_PERMIT: Final = Answer(Outcome.RATE_LIMITED, ambiguous=False, text="Not sent: no permit in time.", retry_after=1)


def start(sent: Sent, payloads: list[str], permit: Permit) -> "Future[Answer]":
    """Make the request of an attempt that was begun, at its permit's moment, in a thread that was reserved for it."""
    url = client.batch_url(sent.credentials.region)
    return senders(sent.credentials.region).start(partial(_request, sent, payloads, permit, url))


def _request(sent: Sent, payloads: list[str], permit: Permit, url: str) -> Answer:
    """The permit's moment is waited for with payloads and connection ready: to look a host up and shake hands takes
    several ways there and back, and requests that left evenly would arrive together.
    """
    content = Body(payloads, clock.estimated_now)
    before = partial(_keep, permit)
    try:
        return client.post_batch(url, sent.credentials.write_key, content, number=sent.number, before=before)
    except NoPermitError:
        return NO_PERMIT


def _keep(permit: Permit) -> None:
    if not keep(permit):
        raise NoPermitError


BEGIN: Final = """
WITH source AS MATERIALIZED (
    SELECT id FROM integrations_source
    WHERE id = %(source)s AND state = 'connected' AND version = %(version)s FOR SHARE
), lane AS (
    UPDATE delivery_lane SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
    FROM source WHERE source_id = source.id AND lease_token = %(token)s AND leased_until > clock_timestamp()
        AND hold = '' AND (not_before IS NULL OR not_before <= clock_timestamp())
        AND NOT EXISTS (SELECT 1 FROM delivery_ratehold WHERE key_id = %(key)s AND until > clock_timestamp())
    RETURNING source_id
), claimed AS (
    UPDATE delivery_batch SET attempts_made = attempts_made + 1, crashes = crashes + %(suspected)s::int,
        waiting_since = least(waiting_since, %(since)s)
    FROM lane WHERE id = %(batch)s AND delivery_batch.source_id = lane.source_id
        AND state = 'open' AND attempts_made = %(made)s AND created_at = %(created)s
    RETURNING id, delivery_batch.source_id, attempts_made
)
INSERT INTO delivery_attempt (
    batch_id, source_id, number, region, source_version, lease_token, started_at, outcome, ambiguous, answer
)
SELECT id, source_id, attempts_made, %(region)s, %(version)s, %(token)s, clock_timestamp(), 'unknown', true, ''
FROM claimed RETURNING id, started_at
"""
# One statement for one round trip and one commit. The rows are locked in the order that delivery/lanes.py tells. The
# batch has to be the lane's and of its time: a cut does not wait for the disk, and after a crash of PostgreSQL its id
# may be given to another one, even of the same lane.


WAIT_FOR_KEY: Final = """
UPDATE delivery_lane SET not_before = greatest(not_before, hold.until)
FROM delivery_ratehold AS hold, (
    SELECT id FROM integrations_source WHERE id = %(source)s AND version = %(version)s FOR SHARE
) AS source
WHERE source_id = source.id AND lease_token = %(token)s AND hold.key_id = %(key)s AND hold.until > clock_timestamp()
"""
# If Segment has asked for a pause of this key, the lane sleeps through it.


def begin(lease: Lease, parcel: Parcel, credentials: SendingCredentials) -> Sent | None:
    """Write the attempt down and commit, unless the source, the lane or the batch has changed.

    The source's row stays locked until the commit: a pause, a new key, a region switch or a deletion comes either
    before, and no attempt is begun, or after.
    """
    values: dict[str, Any] = {
        "source": lease.source_id, "token": lease.token, "seconds": LEASE_SECONDS, "key": credentials.rate_key,
        "batch": parcel.batch.pk, "made": parcel.batch.attempts_made, "created": parcel.batch.created_at,
        "since": parcel.batch.waiting_since, "suspected": parcel.suspected,
        "region": credentials.region.value, "version": credentials.version,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(BEGIN, values)
        row = cursor.fetchone()
        if row is None:
            cursor.execute(WAIT_FOR_KEY, values)
            return None
    clock.learn(row[1])
    parcel.batch.attempts_made += 1
    return Sent(row[0], parcel.batch, credentials)


def recorded(record: Callable[[], T]) -> T:
    """An answer is too precious to lose to a restart of the database: without it the batch counts as unknown."""
    for _ in range(RECORD_TRIES - 1):
        try:
            return record()
        except (OperationalError, InterfaceError):
            log.warning("An answer could not be recorded; trying again.")
            connection.close()
            time.sleep(0.5)
    return record()
