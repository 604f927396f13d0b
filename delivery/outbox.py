"""Capturing: a call becomes one Event and one Pending row for each source of the tenant, in the caller's transaction.

Nothing here breaks the caller. What cannot be captured leaves a Refusal that says why; a database error of ours rolls
back to our own savepoint and no further. One exception: when the database has no disk, memory or connections left, or
can store not even the refusals, its error goes on to the caller. Better that the product's own write fails cleanly than
that it is committed and its events are lost without a trace.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import psycopg
from django.db import Error as DatabaseFailure
from django.db import IntegrityError, transaction

from delivery import partitions, refusals, storing
from delivery.enums import RefusalReason
from delivery.errors import CaptureRefusedError, describe
from delivery.models import Refusal
from delivery.preparing import Prepared, Rejected, prepare
from delivery.wake import wake_after_commit
from integrations.enums import CAPTURING_STATES
from integrations.models import Source
from integrations.queries import capturing_sources
from integrations.shaping import is_plain, note_strangers, shape_all
from integrations.spec.calls import Call

CALLS_PER_SAVEPOINT: Final = 5_000
"""Are held in memory together, and refused together when one of them cannot be stored."""

CALLS_PER_STATEMENT: Final = 200
"""A part of them, which PostgreSQL stores while the next is prepared."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Captured:
    """What became of the calls: the events made, one for each source, and the refusals, likewise.

    `duplicates` counts calls that came with a messageId of their own that the source has had before.
    """

    event_ids: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    duplicates: int = 0

    def add(self, other: "Captured") -> None:
        self.event_ids += other.event_ids
        self.refused += other.refused
        self.duplicates += other.duplicates


def capture(tenant_id: int, call: Call, *, sources: Sequence[Source] | None = None, strict: bool = False) -> Captured:
    """Capture one call for the tenant's capturing sources, or for those given.

    Inside a transaction the rows commit with it, outside in one of their own. Raises nothing but what the top of this
    module says, unless `strict`: then CaptureRefusedError when the call is refused (letting it roll back the
    transaction takes the refusal along).
    """
    captured = capture_many(tenant_id, [call], sources=sources)
    if strict and captured.refused:
        raise CaptureRefusedError(captured.refused)
    return captured


def capture_many(tenant_id: int, calls: Iterable[Call], *, sources: Sequence[Source] | None = None) -> Captured:
    """As `capture`, for any number of calls: a savepoint of its own for each 5,000 of them.

    Outside a transaction, what came before an error of the database has been committed.
    """
    captured = Captured()
    remaining = iter(calls)
    while chunk := list(islice(remaining, CALLS_PER_SAVEPOINT)):
        captured.add(_guarded(tenant_id, chunk, sources))
    return captured


def capture_or_raise(tenant_id: int, calls: list[Call], *, sources: Sequence[Source] | None = None) -> Captured:
    """As `capture_many`, for a sender that sends again: all is stored, or nothing is and the error is raised."""
    return _with_room(tenant_id, calls, sources)


def capture_built(tenant_id: int, name: str, build: Callable[[], Call]) -> Captured:
    """Capture what `build` returns; `name` is the event's, for the refusal when `build` raises."""
    try:
        call = build()
    except Exception as error:  # noqa: BLE001  # a product's mapping may raise anything, and its transaction must live
        log.error("The mapping of %s failed: %s.", name, describe(error), extra={"tenant_id": tenant_id})
        failed = refusals.fault({"type": "track", "event": name}, RefusalReason.MAPPING_FAILED)
        return _refused(tenant_id, [failed], None)
    return capture(tenant_id, call)


def _guarded(tenant_id: int, calls: list[Call], sources: Sequence[Source] | None) -> Captured:
    try:
        return _with_room(tenant_id, calls, sources)
    except Exception as error:
        if _lacks_resources(error):
            raise
        # The caller's own write goes on; what we could not do is told below.
        log.error("Capturing failed: %s.", describe(error), extra={"tenant_id": tenant_id})
    return _refused(tenant_id, [refusals.fault(call, RefusalReason.CAPTURE_FAILED) for call in calls], sources)


def _with_room(tenant_id: int, calls: list[Call], sources: Sequence[Source] | None) -> Captured:
    """Partitions are made ahead. When nobody did so for long, the capture that finds none makes them, and waits."""
    try:
        with transaction.atomic():
            return _capture(tenant_id, calls, sources)
    except (psycopg.IntegrityError, IntegrityError) as error:
        if not partitions.is_full(error):
            raise
    partitions.keep_ahead()
    with transaction.atomic():
        return _capture(tenant_id, calls, sources)


def _capture(tenant_id: int, calls: list[Call], sources: Sequence[Source] | None) -> Captured:
    wanting = _wanting(tenant_id, sources)
    if not wanting:
        return Captured()
    captured = _stored([source for source in wanting if is_plain(source)], calls, [])
    for source in wanting:
        if not is_plain(source):
            captured.add(_stored_as_wanted(source, calls))
    if captured.event_ids:
        wake_after_commit(wanting)
    return captured


def _stored_as_wanted(source: Source, calls: list[Call]) -> Captured:
    rejected: list[Rejected] = []
    shaped = shape_all(source, calls)
    captured = _stored([source], shaped.calls, rejected)
    captured.add(_stored([source], note_strangers(source, shaped, (each.call for each in rejected)), []))
    return captured


def _stored(sources: Sequence[Source], calls: list[Call], rejected: list[Rejected]) -> Captured:
    """Prepared once for all of these sources, which take the calls alike. What is refused is added to `rejected`."""
    if not (sources and calls):
        return Captured()
    if len(calls) <= CALLS_PER_STATEMENT:
        event_ids = storing.store(sources, _accepted(calls, rejected))
    else:
        starts = range(0, len(calls), CALLS_PER_STATEMENT)
        parts = (_accepted(calls[start : start + CALLS_PER_STATEMENT], rejected) for start in starts)
        event_ids = storing.store_parts(sources, parts)
    duplicates = (len(calls) - len(rejected)) * len(sources) - len(event_ids)
    return Captured(event_ids, refusals.record(sources, rejected), duplicates)


def _refused(tenant_id: int, rejected: list[Rejected], sources: Sequence[Source] | None) -> Captured:
    """Record refusals in a savepoint of their own. Raises the database's error when not even that is possible."""
    try:
        with transaction.atomic():
            return Captured(refused=refusals.record_faults(_wanting(tenant_id, sources), rejected))
    except DatabaseFailure as error:
        log.critical("%d refusals could not be stored: %s.", len(rejected), describe(error))
        raise
    except Exception as error:  # noqa: BLE001  # an error of ours: the caller's own write goes on
        log.critical("%d refusals could not be made: %s.", len(rejected), describe(error))
        return Captured(refused=[refusals.unsaved(tenant_id, each) for each in rejected])


def _lacks_resources(error: Exception) -> bool:
    """Class 53 of PostgreSQL's errors. A refusal may still find its place: it would hide that the events are lost."""
    return (getattr(error.__cause__, "sqlstate", None) or "").startswith("53")


def _wanting(tenant_id: int, sources: Sequence[Source] | None) -> list[Source]:
    if sources is None:
        return capturing_sources(tenant_id)
    foreign = [source.pk for source in sources if source.tenant_id != tenant_id]
    if foreign:
        raise ValueError(f"Sources {foreign} are not tenant {tenant_id}'s.")
    return [source for source in sources if source.state in CAPTURING_STATES]


def _accepted(calls: Iterable[Any], rejected: list[Rejected]) -> list[Prepared]:
    """The calls that may be captured; the others are added to `rejected`."""
    accepted: list[Prepared] = []
    for result in _prepared(calls):
        if isinstance(result, Prepared):
            accepted.append(result)
        else:
            rejected.append(result)
    return accepted


def _prepared(calls: Iterable[Any]) -> Iterator[Prepared | Rejected]:
    """One call that no code expected must not take its neighbours along."""
    for call in calls:
        try:
            yield prepare(call)
        except Exception as error:  # noqa: BLE001  # whatever it is, this call is refused for it
            log.error("Preparing a call failed: %s.", describe(error))
            yield refusals.fault(call, RefusalReason.CAPTURE_FAILED)
