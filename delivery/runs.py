"""One lane in one turn: what it has in flight, and whether more may follow.

Note: in flight. The turn's thread does everything that touches the database, in order: it cuts, takes permits, begins
attempts and records answers. Threads of delivery/senders.py make the requests meanwhile. The lease lasts longer than
any request and each attempt renews it, so it never ends before the last of them.
"""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from delivery import lanes, limiter, sending
from delivery.batching import Parcel, enough_after
from delivery.choosing import OPEN_BATCHES, is_clear, next_parcel
from delivery.client import batch_url
from delivery.lanes import Lease
from delivery.limiter import Permit
from delivery.outcomes import Answer
from delivery.recording import Sent, record
from delivery.senders import senders
from integrations.queries import SendingCredentials, sending_credentials
from integrations.spec.limits import MAX_BATCH_EVENTS

NO_ROOM_SECONDS: Final = 1.0
"""A lane that finds every thread at work is left alone for so long."""

_alone: Final = threading.Lock()
"""A batch that may have killed a worker has nothing of its kind beside it in this process."""


@dataclass(eq=False, slots=True)
class Run:
    """`width` is how many requests may be in flight: one until the lane's last request is known to have succeeded.

    `clear`: the lane's open batches are those in flight. `going`: more may be begun. `failed`: a request of this run
    did. `pause_ends`, on the monotonic clock: its own permits reach so far ahead. `permit`: for its next request.
    `at_most`: events that its next cut looks at.
    """

    lease: Lease
    credentials: SendingCredentials | None = None
    parcel: Parcel | None = None
    flights: "dict[Future[Answer], Sent]" = field(default_factory=dict)
    width: int = 1
    clear: bool = False
    going: bool = True
    failed: bool = False
    begun: int = 0
    pause_ends: float = 0.0
    permit: Permit | None = None
    at_most: int = MAX_BATCH_EVENTS
    alone: bool = False
    trouble: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.width = OPEN_BATCHES if self.lease.proven and not self.lease.failing else 1
        self.clear = self.lease.clear

    def may_begin(self, now: float) -> bool:
        return self.going and len(self.flights) < self.width and now >= self.pause_ends

    def look_again(self) -> None:
        """A replay may have brought the lane other batches since it was leased."""
        in_flight = [sent.batch.pk for sent in self.flights.values()]
        self.clear = self.clear and is_clear(self.lease.source_id, in_flight)

    def begin_next(self) -> "Future[Answer] | None":
        """Begin the next request that may be sent; None when there is none now, which may end the run."""
        credentials = self.credentials = self.credentials or sending_credentials(self.lease.source_id)
        if credentials is None or (parcel := self._next(credentials)) is None:
            self.going = False
            return None
        if parcel.suspected and not self._isolate():
            return None
        batch_url(credentials.region)  # raises before anything is begun
        pool = senders(credentials.region)
        if not pool.reserve():
            self._wait(NO_ROOM_SECONDS)
            return None
        future = None
        try:
            future = self._begin(parcel, credentials)
        finally:
            if future is None:
                pool.give_back()
        return future

    def fly(self, sent: Sent, payloads: list[str]) -> "Future[Answer]":
        """Start the request of an attempt that was begun; its thread is reserved, and it has a permit."""
        assert self.permit  # noqa: S101  # for the type checker: taken before the attempt was begun
        future = sending.start(sent, payloads, self.permit)
        self.permit = None
        self.flights[future] = sent
        self.begun += 1
        return future

    def land(self, future: "Future[Answer]") -> None:
        """Record the answer of a request and decide what follows for the lane."""
        sent = self.flights.pop(future)
        going = sending.recorded(partial(record, sent, future.result(), echo=self.failed))
        self.landed(going=going, width=self.width)
        # Another key, or the halves of a batch: what the run knows of its source is old.
        self.credentials, self.clear, self.going = None, False, going and not self.failed

    def landed(self, *, going: bool, width: int = OPEN_BATCHES) -> None:
        """An answer is recorded. Only a 200 lets more requests be in flight than before."""
        self.failed = self.failed or not going
        self.width = 1 if self.failed else width
        self.end_isolation()

    def end_isolation(self) -> None:
        if self.alone:
            self.alone = False
            _alone.release()

    def _next(self, credentials: SendingCredentials) -> Parcel | None:
        if self.parcel is None:
            in_flight = [sent.batch.pk for sent in self.flights.values()]
            self.parcel = next_parcel(self.lease, credentials.region, in_flight, clear=self.clear, at_most=self.at_most)
            self.at_most = enough_after(self.parcel.batch) if self.parcel else MAX_BATCH_EVENTS
        return self.parcel

    def _isolate(self) -> bool:
        """Let a suspected batch be the only one of the lane, and the only suspected one of the process."""
        self.width = 1
        if self.flights:
            return False
        self.alone = _alone.acquire(blocking=False)
        if not self.alone:
            self._wait(NO_ROOM_SECONDS)
        return self.alone

    def _begin(self, parcel: Parcel, credentials: SendingCredentials) -> "Future[Answer] | None":
        permit = self.permit or limiter.permit(credentials.rate_key, credentials.region, credentials.source_id)
        if not permit.is_given:
            self._wait(permit.wait)
            return None
        self.permit = permit
        self.parcel = None
        sent = sending.begin(self.lease, parcel, credentials)
        if sent is None:
            self.going = False
            return None
        self.going = not parcel.last
        return self.fly(sent, parcel.payloads)

    def _wait(self, seconds: float) -> None:
        """Until answers come, if there are any to come; else leave the lane to a later turn."""
        if self.flights:
            self.pause_ends = time.monotonic() + max(0.0, seconds - limiter.patience())
        else:
            lanes.wait(self.lease.source_id, seconds)
            self.going = False
