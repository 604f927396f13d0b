import uuid
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.enums import ExportState
from tenants.scoping import ScopedManager

LATE: Final = timedelta(minutes=5)

# ":" separates by default, and some mail programs end a link there.
_signer: Final = Signer(sep=".", salt="tenants.exports")

GOING: Final = (ExportState.WAITING, ExportState.RUNNING)


class Export(models.Model):
    """All data of a tenant as one zip file: from when it was asked for until long after the file is deleted.

    tenants/exports/making.py writes it, step by step; `place` says how far it came.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="exports")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    by_label = models.CharField(max_length=254, help_text="Outlives the account.")
    state = models.CharField(max_length=7, choices=ExportState.choices, default=ExportState.WAITING)
    reason = models.TextField(blank=True, help_text="Why it failed, or why the file is deleted, in words for owners.")
    place = models.JSONField(default=dict, blank=True)
    rows_done = models.BigIntegerField(default=0)
    rows_expected = models.BigIntegerField(default=0, help_text="As counted at its beginning.")
    pieces = models.PositiveIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0, help_text="Begun since the last step that succeeded.")
    asked_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(default=timezone.now, help_text="When something last happened to it.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Ready, or failed.")
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant"], condition=Q(state__in=GOING), name="export_going_once"),
            models.CheckConstraint(condition=Q(state__in=ExportState.values), name="export_state_known"),
            models.CheckConstraint(
                condition=~Q(state=ExportState.READY) | Q(expires_at__isnull=False), name="export_ready_expires"
            ),
        ]
        indexes = [
            # What beat has to look at: those to be made, and those whose time may be over.
            models.Index(fields=["asked_at"], name="export_alive", condition=Q(state__in=[*GOING, ExportState.READY])),
        ]

    def __str__(self) -> str:
        return f"export of {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def is_going(self) -> bool:
        return self.state in GOING

    @property
    def is_ready(self) -> bool:
        """Beat deletes the file within seconds after its time; until then nobody gets it either."""
        return self.state == ExportState.READY and self.expires_at is not None and self.expires_at > timezone.now()

    @property
    def is_late(self) -> bool:
        """Whether nothing has happened for so long that who waits for it should hear of that."""
        return self.is_going and timezone.now() - self.moved_at > LATE

    @property
    def token(self) -> str:
        """For the address of its file. Whoever has it must be an owner, signed in, all the same."""
        return _signer.sign(self.pk.hex)

    @classmethod
    def of_token(cls, token: str) -> "Export | None":
        """In the active scope, whatever its state. None for a token that was not made here, or is another tenant's."""
        try:
            return cls.objects.filter(pk=_signer.unsign(token)).first()
        except BadSignature:
            return None

    @property
    def percent(self) -> int:
        """Of what was there at its beginning; a hundred is for the end alone."""
        return min(99, 100 * self.rows_done // max(1, self.rows_expected))


class ExportPiece(models.Model):
    """Some bytes of an export's file: all pieces one after the other are the file."""

    pk = models.CompositePrimaryKey("export_id", "number")
    export = models.ForeignKey(Export, on_delete=models.CASCADE, db_index=False, related_name="+")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    objects = ScopedManager("export__tenant")

    def __str__(self) -> str:
        return f"piece {self.number}"
