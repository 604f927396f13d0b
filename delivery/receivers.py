from collections.abc import Callable
from typing import Any

from delivery import erasure, exporting, lanes
from delivery.outbox import capture_built, capture_many
from delivery.wake import wake_after_commit
from integrations.enums import SourceChange
from integrations.identity import identified
from integrations.mappings.registry import REGISTRY, Mapping
from integrations.models import Source
from integrations.signals import EmailActivity, calls_due, source_changed
from integrations.spec.calls import Call

SENDING_AGAIN = frozenset(
    {
        SourceChange.CONNECTED,
        SourceChange.KEY_REPLACED,
        SourceChange.REGION_CHANGED,
        SourceChange.RESUMED,
        SourceChange.WENT_LIVE,
    }
)
"""After these the lane starts afresh. A pause or disconnection needs nothing: the next attempt looks at the source."""


def connect() -> None:
    """Subscribe to the domain signals and to changes of sources."""
    for mapping in REGISTRY:
        mapping.signal.connect(_capturing(mapping), weak=False, dispatch_uid=f"delivery: {mapping.event}")
    source_changed.connect(source_has_changed, dispatch_uid="delivery: source changed")
    calls_due.connect(calls_are_due, dispatch_uid="delivery: calls due")
    erasure.connect()
    exporting.connect()


def source_has_changed(*, source: Source, change: SourceChange, **_kwargs: Any) -> None:
    if change in SENDING_AGAIN:
        lanes.start_afresh(source.pk)
        wake_after_commit([source])


def calls_are_due(*, source: Source, calls: list[Call], **_kwargs: Any) -> None:
    capture_many(source.tenant_id, calls, sources=[source])


def _capturing(mapping: Mapping) -> Callable[..., None]:
    def receive(*, activity: EmailActivity, **_kwargs: Any) -> None:
        capture_built(activity.tenant_id, mapping.event, lambda: mapping.build(identified(activity)))

    return receive
