"""What a capture costs whoever makes it, next to Django's own ways to save a row."""

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Final
from uuid import uuid4

from django.db import transaction

from benchmarks import cast
from benchmarks.bench import Bench
from benchmarks.events import typical_call, typical_calls
from benchmarks.measured import Measured
from delivery.models import Event, Pending
from delivery.outbox import capture, capture_many
from delivery.wake import clear_flags, courier
from integrations.models import Source
from tenants.scoping import every_tenant

SINGLES: Final = 1_000
IN_BULK: Final = 10_000
ROUNDS: Final = 5


def capture_one(bench: Bench) -> Measured:
    """Medians of alternating transactions. Each capture finds its flag gone, so that it sends its hint, too."""
    [source] = cast.new_sources(1)
    _capture(source, typical_call(0))
    ours: list[float] = []
    plain: list[float] = []
    count = bench.size(SINGLES, at_least=3)
    bench.say(f"{count:,} transactions of each kind")
    for number in range(count):
        clear_flags([source.pk])
        ours.append(_seconds(_capture, source, typical_call(number)))
        # The thread that carries the hint must not slow down the other side.
        courier.is_done(1)
        plain.append(_seconds(_save, _copy(source)))
    detail = {"capture_ms": statistics.median(ours) * 1000, "save_ms": statistics.median(plain) * 1000}
    ratio = detail["capture_ms"] / detail["save_ms"]
    return Measured(ratio, ratio <= 2, detail)


def capture_bulk(bench: Bench) -> Measured:
    """Both sides write the same rows, in the log and on the to-do list, in one transaction; medians of five rounds."""
    [source] = cast.new_sources(1)
    count = bench.size(IN_BULK)
    rounds: list[dict[str, float]] = []
    for number in range(ROUNDS):
        bench.say(f"{count:,} events in one call: round {number + 1} of {ROUNDS}")
        calls = list(typical_calls(count))
        captured = _seconds(capture_many, source.tenant_id, calls)
        with every_tenant():
            events = list(Event.objects.order_by("-pk")[:count])
        made = _seconds(_bulk_create, events, to_do=True)
        rounds.append({"capture": captured, "bulk": made, "log_alone": _seconds(_bulk_create, events, to_do=False)})
    capture, bulk, log_alone = (statistics.median(each[side] for each in rounds) for side in rounds[0])
    detail = {
        "captured_per_second": count / capture,
        "bulk_created_per_second": count / bulk,
        "bulk_created_in_the_log_alone_per_second": count / log_alone,
    }
    return Measured(bulk / capture, bulk / capture >= 5, detail)


def _seconds(do: Callable[..., object], *arguments: object, **options: object) -> float:
    begin = time.perf_counter()
    do(*arguments, **options)
    return time.perf_counter() - begin


def _capture(source: Source, call: dict[str, object]) -> None:
    with transaction.atomic():
        capture(source.tenant_id, call)


def _save(event: Event) -> None:
    with transaction.atomic():
        event.save(force_insert=True)


def _copy(source: Source) -> Event:
    """The newest event again, as a row that is not saved yet."""
    with every_tenant():
        event = Event.objects.filter(source=source).latest("pk")
    return _anew(event)


def _anew(event: Event) -> Event:
    event.pk = None
    event.message_id = uuid4()
    event._state.adding = True
    return event


def _bulk_create(events: Iterable[Event], *, to_do: bool) -> None:
    with transaction.atomic(), every_tenant():
        made = Event.objects.bulk_create(map(_anew, events))
        if to_do:
            Pending.objects.bulk_create(
                Pending(source_id=event.source_id, event_id=event.pk, bytes=event.bytes) for event in made
            )
