"""Exports of a company's data: asked for, taken back, downloaded, deleted. docs/privacy.md has the rules.

tenants/exports/making.py makes them.
"""

from collections.abc import Iterator
from typing import Final

from django.db import transaction
from django.db.models import F, Func, IntegerField
from django.utils import timezone

from tenants.audit import note
from tenants.enums import ExportState
from tenants.errors import TenantError
from tenants.exports.models import GOING, Export, ExportPiece
from tenants.members import lock_as_owner
from tenants.models import Tenant, User
from tenants.scoping import scope

UNDER_WAY: Final = "An export is being made already. It is on this page when it is ready."
_SIZE: Final = Func(F("data"), function="octet_length", output_field=IntegerField())
TOOK_BACK: Final = "Something was erased after it was made, and was in it."


@transaction.atomic
def ask_for_export(tenant: Tenant, *, by: User) -> Export:
    """Raises TenantError while another is being made, and MemberError for anybody but an owner."""
    lock_as_owner(tenant, by)
    with scope(tenant.pk):
        if Export.objects.filter(state__in=GOING).exists():
            raise TenantError(UNDER_WAY)
    note(tenant.pk, by, "asked for an export of", tenant.name)
    asked = Export(tenant=tenant, by=by, by_label=by.email)
    asked.save(force_insert=True)
    return asked


def newest_export() -> Export | None:
    """Of the tenant in scope."""
    return Export.objects.order_by("-asked_at").first()


def file_of(export: Export, start: int = 0) -> Iterator[bytes]:
    """The file of one that is ready, from this byte on, piece by piece.

    Raises ExportPiece.DoesNotExist when it is deleted meanwhile.
    """
    for number in range(export.pieces):
        with scope(export.tenant_id):
            piece = ExportPiece.objects.filter(export=export, number=number)
            if start and start >= (size := piece.values_list(_SIZE, flat=True).get()):
                start -= size
                continue
            data = bytes(piece.values_list("data", flat=True).get())
        yield data[start:]
        start = 0


def take_back(tenant_id: int) -> None:
    """What is erased now may not stay in a file: the one that there is goes, and one that is being made begins anew.

    To be called in the transaction that asks for the erasure: until that is done, none is begun.
    """
    with scope(tenant_id):
        alive = Export.objects.filter(state__in=[*GOING, ExportState.READY])
        for export in alive.select_for_update().order_by("asked_at"):
            if export.is_going:
                begin_anew(export)
            else:
                delete_file(export, TOOK_BACK)


def delete_file(export: Export, reason: str = "") -> None:
    _delete_pieces(export)
    export.state, export.reason, export.moved_at = ExportState.EXPIRED, reason, timezone.now()
    export.save(update_fields=["state", "reason", "moved_at"])


def begin_anew(export: Export) -> None:
    _delete_pieces(export)
    export.state, export.place = ExportState.WAITING, {}
    export.rows_done = export.rows_expected = export.pieces = export.bytes = 0
    export.save(update_fields=["state", "place", "rows_done", "rows_expected", "pieces", "bytes"])


def _delete_pieces(export: Export) -> None:
    ExportPiece.objects.filter(export=export).delete()
