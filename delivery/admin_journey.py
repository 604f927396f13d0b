"""What happened to an event, in order, from its capture to Segment's answer: the heart of its page."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

from delivery.admin_states import COLOURS
from delivery.enums import BatchState
from delivery.holding import holds
from delivery.models import Attempt, Batch, Event, Pending
from integrations.enums import SourceState
from integrations.staff_admin import NOTHING, at, badge, link, related

MOST_ATTEMPTS = 500
"""72 hours of retries, at most one every half hour on average, are fewer."""


class Step(NamedTuple):
    when: str
    what: SafeString
    detail: SafeString | str


def journey(event: Event) -> list[Step]:
    batches = list(Batch.objects.filter(holds(event.source_id, event.pk)).order_by("id").defer("event_ids"))
    attempts = list(Attempt.objects.filter(batch__in=batches).order_by("batch_id", "number")[:MOST_ATTEMPTS])
    steps = [Step(at(event.captured_at), badge("Captured", "primary"), format_html("for {}", link(event.source)))]
    if Pending.objects.filter(source_id=event.source_id, event_id=event.pk).exists():
        steps.append(_waiting(event))
    for batch in batches:
        steps += _of_batch(batch, [attempt for attempt in attempts if attempt.batch_id == batch.pk])
    return steps


def _waiting(event: Event) -> Step:
    lane = related(event.source, "lane")
    if event.source.state == SourceState.PAUSED:
        why = "The source is paused: its events wait until it is resumed."
    elif event.source.state == SourceState.SHADOW:
        why = "The source is in shadow: when it is switched on, the customer chooses what is sent."
    elif lane and lane.hold:
        why = f"The lane is held: {lane.hold_reason or lane.get_hold_display()}"
    elif lane and lane.not_before:
        why = f"Waits to be put in a batch, not before {at(lane.not_before)}."
    else:
        why = "Waits to be put in a batch."
    return Step("now", badge("Waiting", "info"), why)


def _of_batch(batch: Batch, attempts: list[Attempt]) -> Iterator[Step]:
    how = "replayed from" if batch.replay_id else "a half of"
    origin = format_html(", {} {}", how, _batch_link(batch.parent_id)) if batch.parent_id else ""
    detail = format_html("{} with {}{}", link(batch), _events(batch.event_count), origin)
    yield Step(at(batch.created_at), badge("Put in a batch", "primary"), detail)
    for attempt in attempts:
        yield attempt_step(attempt)
    if batch.state != BatchState.OPEN:
        label = badge(batch.get_state_display(), COLOURS.get(batch.state, ""))
        yield Step(at(batch.closed_at), label, batch.reason or _meaning(batch.state))
    elif batch.not_before:
        yield Step("now", badge("Waiting", "info"), f"Tried again not before {at(batch.not_before)}.")


def _batch_link(number: int) -> SafeString | str:
    return link(Batch(pk=number))


def _meaning(state: str) -> str:
    meanings: dict[str, str] = {
        BatchState.ACCEPTED: "Segment's API answered 200 with success.",
        BatchState.SPLIT: "Its events went on in two halves.",
    }
    return meanings.get(state, "")


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"


def attempt_step(attempt: Attempt) -> Step:
    return Step(
        at(attempt.started_at),
        badge(attempt.get_outcome_display(), COLOURS.get(attempt.outcome, "success")),
        format_html("{}: {}", link(attempt, f"Attempt {attempt.number}"), answer_of(attempt)),
    )


def answer_of(attempt: Attempt) -> str:
    """Status, answer, and how long it took, as far as known."""
    parts: list[Any] = [attempt.status_code or "no status", attempt.answer or "no answer recorded"]
    if took := seconds(attempt.started_at, attempt.finished_at):
        parts.append(took)
    if attempt.retry_after is not None:
        parts.append(f"asked to wait {attempt.retry_after} s")
    return " · ".join(map(str, parts))


def seconds(start: datetime, end: datetime | None) -> str:
    return f"{(end - start).total_seconds():.3f} s" if end else ""


def rows(steps: list[Step]) -> list[list[Any]]:
    """Cells for `table_card`."""
    return [[step.when, step.what, step.detail or NOTHING] for step in steps]
