"""What staff do for a tenant's source. Each is one transaction, with an entry in the tenant's history."""

from django.db import transaction

from delivery import lanes
from delivery.enums import BatchState, Hold
from delivery.models import Batch, Lane
from delivery.replay import Replayed, replay
from delivery.replayable import Criteria
from delivery.wake import wake_after_commit
from integrations.models import Source
from tenants.audit import note
from tenants.models import User


@transaction.atomic
def retry_now(source: Source, reason: str, *, by: User) -> None:
    """Forget the waits after failures. What Segment asked to wait for, a 429, stays, and so does a hold."""
    lanes.lock_source(source.pk)
    Lane.objects.filter(pk=source.pk).update(not_before=None, failures=0)
    Batch.objects.filter(source=source, state=BatchState.OPEN).update(not_before=None)
    _note(source, "had retried at once", reason, by)
    wake_after_commit([source])


@transaction.atomic
def hold(source: Source, reason: str, *, by: User) -> None:
    """Send nothing until somebody lets it go: staff, or the tenant by a new key, a new region or a pause that ends."""
    lanes.lock_source(source.pk)
    lanes.ensure(source.pk)
    lanes.hold(source.pk, Hold.STAFF, f"Our staff has stopped sending: {reason}")
    _note(source, "held", reason, by)


@transaction.atomic
def resume(source: Source, reason: str, *, by: User) -> None:
    """Forget holds and waits."""
    lanes.lock_source(source.pk)
    lanes.start_afresh(source.pk)
    _note(source, "let go", reason, by)
    wake_after_commit([source])


@transaction.atomic
def replay_for(source: Source, criteria: Criteria, reason: str, *, token: str, by: User) -> Replayed:
    """Raises ReplayError. Noted once, however often the form is sent."""
    done = replay(source, criteria, token=token, requested_by=f"{by.email} (staff)")
    if done.fresh:
        _note(source, "sent events again of", reason, by, events=done.replay.event_count)
    return done


def _note(source: Source, deed: str, reason: str, by: User, **details: int) -> None:
    note(source.tenant_id, by, f"(staff) {deed}", source.name, reason=reason, **details)
