"""Erasing a person, a source or a whole company: what was asked for, and the steps that beat takes until it is done.

Each app erases its own rows: it answers `erasing` with one chunk at a time. A step is one short transaction that holds
the row of the erasure, so a run may be killed, be late, or meet another one. docs/privacy.md has the rules.
"""

import logging
import time
from enum import IntEnum
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.dispatch import Signal
from django.utils import timezone

from tenants.audit import note
from tenants.enums import ErasureKind, PersonField
from tenants.exports.services import take_back
from tenants.models import Erasure, Tenant, User
from tenants.scoping import every_tenant
from tenants.staff_pages import forget_notes
from tenants.time_shares import time_shares

SECONDS: Final = 30.0
"""A run of beat's takes no longer; what is left is for the next minute."""

log = logging.getLogger(__name__)

erasing = Signal()
"""A chunk of `erasure` (Erasure) is to be erased, in the transaction. A receiver answers a Progress."""


class Progress(IntEnum):
    """What a receiver says of its own rows. `BUSY`: nothing more can be done just now; in a minute."""

    DONE = 0
    MORE = 1
    BUSY = 2


naming = Signal()
"""The ids of a person who is looked for by `erasure` (Erasure) are asked for. A receiver answers those that it knows
besides, pairs of a PersonField and a value: list[list[str]]."""


@transaction.atomic
def ask_for_person(tenant: Tenant, field: PersonField, value: str, *, by: User) -> Erasure:
    """Everything that is kept of the person by then. The audit trail and the receipt get no more than a digest."""
    typed = value.strip()
    value = typed.lower() if field == PersonField.EMAIL else typed
    erasure = ask(tenant, ErasureKind.PERSON, "one person", by=by, looked_for=[[field.value, value]])
    # An address that a source's rule has hashed has another hash in other letters.
    erasure.look_for([(field.value, typed)])
    erasure.digest = digest_of(field, value)
    erasure.save(update_fields=["digest", "looked_for"])
    note(tenant.pk, by, "asked to erase a person:", f"receipt {erasure.pk}")
    return erasure


def ask(
    tenant: Tenant,
    kind: ErasureKind,
    subject: str,
    *,
    by: User,
    looked_for: list[list[str]] | None = None,
    source_ids: list[int] | None = None,
    counts: dict[str, int] | None = None,
) -> Erasure:
    """Write down what beat is to erase. `counts`: rows that went at once, with what was asked for."""
    take_back(tenant.pk)
    erasure = Erasure(
        kind=kind, tenant_number=tenant.pk, tenant_name=tenant.name, subject=subject, by=by, by_label=by.email,
        looked_for=looked_for or [], source_ids=source_ids or [], counts=counts or {},
    )  # fmt: skip
    erasure.save(force_insert=True)
    return erasure


def digest_of(field: str, value: str) -> str:
    """Shows whoever knows the id that a receipt is about it, and nobody else whom it is about."""
    return sha256(f"{field}:{value}".encode()).hexdigest()


def run(seconds: float = SECONDS) -> int:
    """Work on all that is asked for, for so long at most; returns how many ended."""
    until = time.monotonic() + seconds
    with every_tenant():
        waiting = list(Erasure.objects.filter(done_at=None).order_by("asked_at").values_list("pk", flat=True))
        return sum(_work(pk, share) is Progress.DONE for pk, share in time_shares(waiting, until))


def _work(pk: UUID, until: float) -> Progress:
    progress = Progress.MORE
    while progress is Progress.MORE and time.monotonic() < until:
        progress = _step(pk)
    return progress


@transaction.atomic
def _step(pk: UUID) -> Progress:
    erasure = Erasure.objects.select_for_update(skip_locked=True).filter(pk=pk, done_at=None).first()
    if erasure is None:
        return Progress.BUSY
    erasure.begun_at = erasure.begun_at or timezone.now()
    if "alone" not in erasure.place:
        _begin_pass(erasure)
    answers: list[tuple[Any, Any]] = erasing.send(sender=Erasure, erasure=erasure)
    progress = max((Progress(answer) for _receiver, answer in answers), default=Progress.DONE)
    if progress is Progress.DONE:
        progress = _end_pass(erasure)
    erasure.save()
    return progress


def _begin_pass(erasure: Erasure) -> None:
    erasure.place = {"alone": not _is_anybody_older(erasure)}
    answers: list[tuple[Any, Any]] = naming.send(sender=Erasure, erasure=erasure)
    for _receiver, found in answers:
        erasure.look_for(found)


OLDER: Final = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE xact_start < %s AND datname = current_database() AND pid <> pg_backend_pid()
)
"""


def _is_anybody_older(erasure: Erasure) -> bool:
    """Whether a transaction from before may still commit what it captured: then all is looked through once more."""
    with connection.cursor() as cursor:
        cursor.execute(OLDER, [erasure.asked_at])
        return bool(cursor.fetchone()[0])


def _end_pass(erasure: Erasure) -> Progress:
    if not erasure.place["alone"]:
        erasure.place = {}
        return Progress.BUSY
    if erasure.kind == ErasureKind.TENANT:
        Tenant.objects.filter(pk=erasure.tenant_number).delete()
        forget_notes(Tenant, [erasure.tenant_number])
    erasure.looked_for, erasure.source_ids, erasure.place = [], [], {}
    erasure.done_at = timezone.now()
    log.info("Erasure %s is done.", erasure.pk)
    return Progress.DONE
