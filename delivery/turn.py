"""A turn: what a worker does when it is told that lanes have something to send."""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from django.db import Error, connection, transaction

from delivery import lanes
from delivery.choosing import next_parcel
from delivery.enums import Hold
from delivery.errors import describe
from delivery.lanes import Lease
from delivery.retry import KEY_UNREADABLE
from delivery.sending import send
from delivery.sweep import due
from delivery.wake import clear_flags, wake
from integrations.errors import SecretError
from integrations.queries import sending_credentials
from tenants.scoping import every_tenant

TURN_SECONDS: Final = 2.0
"""No new batch is begun after that: a lane with a million events must not keep the others waiting."""

TROUBLE_SECONDS: Final = 30.0
"""An error that nobody foresaw: the lane is left alone for a while instead of failing again at once."""

log = logging.getLogger(__name__)


def take_turn(source_ids: Sequence[int]) -> None:
    """Send what these lanes have, for about two seconds; a hint goes out for what is left. Harmless at any time."""
    ends = time.monotonic() + TURN_SECONDS
    clear_flags(source_ids)
    with every_tenant():
        reached = 0
        for source_id in source_ids:
            if reached and time.monotonic() > ends:
                break
            _work_on(source_id, ends)
            reached += 1
    # Those that had no turn come first next time.
    _hand_on([*source_ids[reached:], *source_ids[:reached]])


def _work_on(source_id: int, ends: float) -> None:
    lease = lanes.lease(source_id)
    if lease is None:
        return
    trouble = True
    try:
        _drain(lease, ends)
        trouble = False
    except Exception as error:  # noqa: BLE001  # one lane's trouble must not cost the others their turn
        log.error("A turn failed: %s.", describe(error), extra={"source_id": source_id})  # noqa: TRY400  # a traceback could quote the payload
    _give_back(lease, after_trouble=trouble)


def _drain(lease: Lease, ends: float) -> None:
    """Send batch after batch. The credentials are read for each: they may change between two."""
    going = True
    while going:
        try:
            credentials = sending_credentials(lease.source_id)
        except SecretError:
            _hold_unreadable(lease)
            return
        if credentials is None:
            return
        parcel = next_parcel(lease, credentials.region)
        if parcel is None:
            return
        going = send(lease, parcel, credentials) and time.monotonic() < ends


def _hold_unreadable(lease: Lease) -> None:
    """Hold the lane, unless the key was replaced since: the lock keeps a new one from being saved in between."""
    with transaction.atomic():
        lanes.lock_source(lease.source_id)
        try:
            sending_credentials(lease.source_id)
        except SecretError:
            log.error("The write key cannot be read; the lane is held.", extra={"source_id": lease.source_id})  # noqa: TRY400  # integrations/secrets.py logged why
            lanes.hold(lease.source_id, Hold.KEY_UNREADABLE, KEY_UNREADABLE)


def _give_back(lease: Lease, *, after_trouble: bool) -> None:
    """If not even this is possible, the lease runs out by itself."""
    try:
        if after_trouble:
            lanes.wait(lease.source_id, TROUBLE_SECONDS)
        lanes.release(lease)
    except Error as error:
        log.warning("A lease was not given back: %s.", describe(error), extra={"source_id": lease.source_id})
        connection.close()


def _hand_on(source_ids: Sequence[int]) -> None:
    """Look once more, after everything is released: what was captured while a turn found its lane empty is seen here.

    A capture that committed earlier sent its hint to a turn that could not get the lease, which was still ours.
    """
    by_region: defaultdict[str, list[int]] = defaultdict(list)
    for source_id, region, _failed in due(source_ids):
        by_region[region].append(source_id)
    for region, waiting in by_region.items():
        wake(sorted(waiting, key=source_ids.index), region)
