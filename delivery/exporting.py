"""What this app has of a company, for its export: the log, what was refused, what was sent and answered, alerts."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from delivery.alerts.models import Alert, AlertChoice, AlertLimits, Incident
from delivery.enums import BatchState
from delivery.holding import batches_between
from delivery.importing.models import FileImport
from delivery.models import Attempt, Batch, Event, Refusal, Replay, RetentionWarning
from integrations.exporting import source_ids
from tenants.exports.parts import Part, Row, exporting, part_of
from tenants.models import Tenant


def connect() -> None:
    exporting.connect(parts, dispatch_uid="delivery: exporting")


def parts(*, tenant: Tenant, **_kwargs: Any) -> list[Part]:
    return [*_of_sources(source_ids()), *_of_tenant([tenant.pk]), *_of_alerts([tenant.pk])]


def _of_sources(sources: list[int]) -> Iterator[Part]:
    yield part_of(
        "delivery/events", "What happened, as it is sent to Segment, and where each event stands.",
        Event.objects.all(), "id", "type", "name", "user_id", "message_id", "occurred_at", "captured_at",
        by="source", groups=sources, source="source_id", call="payload",
    ).with_more(add_standing)  # fmt: skip
    yield part_of(
        "delivery/batches", "The requests' contents: which events went together.", Batch.objects.all(),
        "id", "state", "reason", "event_count", "bytes", "attempts_made", "created_at", "closed_at",
        by="source", groups=sources, source="source_id", half_of="parent_id", replay="replay_id",
    )  # fmt: skip
    yield part_of(
        "delivery/requests", "Each request to Segment, and its answer.", Attempt.objects.all(),
        "id", "number", "region", "source_version", "started_at", "finished_at", "outcome", "ambiguous",
        "status_code", "answer", "retry_after", by="source", groups=sources, source="source_id", batch="batch_id",
    )  # fmt: skip


def _of_tenant(own: list[int]) -> Iterator[Part]:
    yield part_of(
        "delivery/refused", "Calls that were not captured, and why.", Refusal.objects.all(),
        "id", "reason", "type", "name", "user_id", "findings", "excerpt", "refused_at",
        by="tenant", groups=own, source="source_id",
    )  # fmt: skip
    yield part_of(
        "delivery/replays", "What was sent again.", Replay.objects.all(),
        "id", "requested_by", "criteria", "event_count", "batch_count", "accepted_before", "may_arrive_twice",
        "created_at", by="tenant", groups=own, source="source_id",
    )  # fmt: skip
    yield part_of(
        "delivery/imports", "Files whose events were sent.", FileImport.objects.all(),
        "file_name", "file_bytes", "line", "captured", "duplicates", "refused", "requested_by", "started_at",
        "finished_at", by="tenant", groups=own, source="source_id",
    )  # fmt: skip
    yield part_of(
        "delivery/warnings", "Warnings about old events that were not sent.", RetentionWarning.objects.all(),
        "number", "waiting", "set_aside", "quarantined", "oldest_at", "expires_at", "warned_at", "ended_at",
        by="tenant", groups=own, source="source_id",
    )  # fmt: skip


def _of_alerts(own: list[int]) -> Iterator[Part]:
    yield part_of(
        "alerts/incidents", "What was wrong with a source, from when to when.", Incident.objects.all(),
        "kind", "reason", "opened_at", "closed_at", "told_at", by="tenant", groups=own, source="source_id",
    )  # fmt: skip
    yield part_of(
        "alerts/alerts", "What members were written to about.", Alert.objects.all(),
        "items", "created_at", by="tenant", groups=own,
    )  # fmt: skip
    yield part_of(
        "alerts/choices", "What each member wants to be written to about.", AlertChoice.objects.all(),
        "kinds", "recovered", by="membership__tenant", groups=own, email="membership__user__email",
    )  # fmt: skip
    yield part_of(
        "alerts/limits", "From when on.", AlertLimits.objects.all(),
        "backlog_minutes", "refused_an_hour", by="tenant", groups=own,
    )  # fmt: skip


GOING: Final = (BatchState.OPEN, BatchState.SPLIT, BatchState.REPLAYED)
"""The last two only for the moment between two queries: newer batches have their events."""


def add_standing(rows: Sequence[Row]) -> None:
    """Where each event of a source stands, by its newest batch, and its call as the JSON that it is.

    The rows are of one source, and their ids go up.
    """
    if not rows:
        return
    for row in rows:
        row["call"] = orjson.Fragment(row["call"]) if row["call"] else None
        row |= {"state": "waiting", "reason": "", "batch": None}
    by_id = {row["id"]: row for row in rows}
    for batch_id, state, reason, event_ids in batches_between(rows[0]["source"], rows[0]["id"], rows[-1]["id"]):
        for event_id in by_id.keys() & event_ids:
            standing = "waiting" if state in GOING else state
            by_id[event_id] |= {"state": standing, "reason": reason, "batch": batch_id}
