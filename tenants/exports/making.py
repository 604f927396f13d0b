"""Making the exports that were asked for: the steps that beat's task takes until each is done.

A step is one short transaction that holds the row of the export: it reads the next rows of a part, adds them to the zip
file as a piece, and writes down how far it came. So a run may be killed, be late, or meet another one, and the next one
goes on behind the last piece. The rows are as they were when they were read: a file is no picture of one moment.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from tenants import mails
from tenants.audit import note
from tenants.enums import ExportState, Role
from tenants.exports import zipping
from tenants.exports.models import GOING, Export, ExportPiece
from tenants.exports.parts import Part, Row, exporting, lines_of
from tenants.exports.services import begin_anew, delete_file
from tenants.models import Erasure, Membership, Tenant
from tenants.scoping import every_tenant, scope
from tenants.time_shares import time_shares

SECONDS: Final = 9.0
"""A run of beat's takes no longer, so that a worker that is told to stop soon can; the next one comes within 10 s."""
MOST_TRIES: Final = 5
"""Begun so often without one step that succeeded, it would hardly succeed the next time."""
FAILED: Final = (
    "It could not be made, {tries} times in a row. Ask for a new one; if that fails too, write to {support}."
)
REPLACED: Final = "A newer one took its place."

log = logging.getLogger(__name__)


def run(seconds: float = SECONDS) -> int:
    """Work on all that were asked for, for so long at most, and delete the files whose time is over.

    Returns how many are still to be made.
    """
    until = time.monotonic() + seconds
    with every_tenant():
        _delete_expired()
        waiting = list(Export.objects.filter(state__in=GOING).order_by("asked_at").values_list("pk", flat=True))
        for pk, share in time_shares(waiting, until):
            _work(pk, share)
        return Export.objects.filter(state__in=GOING).count()


def _work(pk: UUID, until: float) -> None:
    """At least one step. An error costs the others nothing, and this one a try."""
    tenant = begin(pk)
    if tenant is None:
        return
    try:
        with scope(tenant.pk):
            parts = parts_of(tenant)
        while step(pk, parts) and time.monotonic() < until:
            pass
    except Exception:
        log.exception("A step of export %s failed.", pk)


@transaction.atomic
def begin(pk: UUID) -> Tenant | None:
    """Whose it is; None when there is nothing to be done for it now.

    Committed before the first step, so that the tries of a worker that dies of it are counted too.
    """
    export = _locked(pk)
    if export is None or Erasure.objects.filter(tenant_number=export.tenant_id, done_at=None).exists():
        return None
    if export.tries >= MOST_TRIES:
        _fail(export)
        return None
    export.state, export.tries, export.moved_at = ExportState.RUNNING, export.tries + 1, timezone.now()
    export.save()
    return export.tenant


def _locked(pk: UUID) -> Export | None:
    """None when somebody else is at it, or it is done."""
    exports = Export.objects.select_for_update(skip_locked=True, of=("self",)).select_related("tenant")
    return exports.filter(pk=pk, state__in=GOING).first()


def _fail(export: Export) -> None:
    begin_anew(export)
    export.state, export.ended_at = ExportState.FAILED, timezone.now()
    export.reason = FAILED.format(tries=MOST_TRIES, support=settings.SUPPORT_EMAIL)
    export.save()
    log.error("Export %s failed.", export.pk)
    if _may_download(export):
        mails.tell_export_failed(export)


def _may_download(export: Export) -> bool:
    """Whether who asked is an owner still, and can sign in."""
    owners = Membership.objects.filter(tenant=export.tenant_id, role=Role.OWNER, user__is_active=True)
    return owners.filter(user=export.by_id).exists()


def parts_of(tenant: Tenant) -> dict[str, Part]:
    """By name, in its order. In the scope of the tenant."""
    answers: list[tuple[Any, Any]] = exporting.send(sender=Export, tenant=tenant)
    parts = {part.name: part for _receiver, some in answers for part in some}
    return dict(sorted(parts.items()))


@transaction.atomic
def step(pk: UUID, parts: dict[str, Part]) -> bool:
    """Whether there is more to do, and nobody else does it."""
    export = _locked(pk)
    if export is None or export.state != ExportState.RUNNING:
        return False
    with scope(export.tenant_id):
        if not export.place:
            _begin_file(export, parts)
        is_done = not _add_rows(export, parts)
        if is_done:
            _end_file(export)
    export.tries, export.moved_at = 0, timezone.now()
    export.save()
    return not is_done


def _begin_file(export: Export, parts: dict[str, Part]) -> None:
    export.rows_expected = sum(part.count() for part in parts.values())
    export.place = {"zip": {}, "left": list(parts), "at": []}
    _open(export, "README.txt")
    _add(export, _readme(export, parts.values()).encode())
    _close(export)


def _readme(export: Export, parts: Iterable[Part]) -> str:
    lines = [
        f"All data of {export.tenant.name}, asked for by {export.by_label} at {export.asked_at:%Y-%m-%d %H:%M} UTC.",
        "",
        "Each file has a JSON object on each line, oldest first. Times are UTC. Each row is as it was when it was",
        "read, which took from then until the file was done. Keys, secrets and passwords are in none of them.",
        "",
    ]
    return "\n".join([*lines, *(f"{part.name}.jsonl\n    {part.about}" for part in parts), ""])


def _add_rows(export: Export, parts: dict[str, Part]) -> bool:
    """The next rows of the part in hand, or its end; False when no part is left."""
    place, left = export.place, export.place["left"]
    if not left:
        return False
    if "open" not in place["zip"]:
        _open(export, f"{left[0]}.jsonl")
    rows: Sequence[Row] = ()
    if left[0] in parts:  # else an update has taken it away meanwhile
        rows, place["at"] = parts[left[0]].read(place["at"])
    if rows:
        export.rows_done += len(rows)
        _add(export, lines_of(rows))
    else:
        _close(export)
        place["left"], place["at"] = left[1:], []
    return True


def _open(export: Export, name: str) -> None:
    """The header of the file's member is known at its end: its piece is kept free."""
    zipping.opened(name, export.place["zip"])
    export.place["header"] = export.pieces
    export.pieces += 1


def _add(export: Export, data: bytes) -> None:
    _save_piece(export, zipping.packed(data, export.place["zip"]))


def _close(export: Export) -> None:
    header, end = zipping.closed(export.place["zip"], export.asked_at)
    _save_piece(export, header, number=export.place["header"])
    _save_piece(export, end)


def _save_piece(export: Export, data: bytes, number: int | None = None) -> None:
    if number is None:
        number = export.pieces
        export.pieces += 1
    ExportPiece(export=export, number=number, data=data).save(force_insert=True)
    export.bytes += len(data)


def _end_file(export: Export) -> None:
    """The one before goes now that this one takes its place."""
    _save_piece(export, zipping.ended(export.place["zip"]))
    for older in Export.objects.filter(state=ExportState.READY):
        delete_file(older, REPLACED)
    export.state, export.place = ExportState.READY, {}
    export.ended_at = timezone.now()
    export.expires_at = export.ended_at + timedelta(days=settings.EXPORT_DAYS)
    note(export.tenant_id, None, "finished the export that", f"{export.by_label} had asked for", rows=export.rows_done)
    if _may_download(export):
        mails.tell_export_ready(export)


@transaction.atomic
def _delete_expired() -> None:
    over = Export.objects.filter(state=ExportState.READY, expires_at__lte=timezone.now())
    for export in over.select_for_update(skip_locked=True):
        delete_file(export)
