"""Putting every stored secret under the newest encryption key, so that an older one can leave the ring."""

from dataclasses import dataclass, field

from allauth.mfa.models import Authenticator
from django.db import transaction

from integrations import second_factor
from integrations.errors import SecretError
from integrations.models import SharedSecret, WriteKey
from integrations.secrets import key_id_of, key_ring
from tenants.scoping import every_tenant


@dataclass(slots=True)
class Rotation:
    """How many write keys, shared secrets and second factors there are of each kind.

    `unreadable` tells of each why, without anything secret.
    """

    reencrypted: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


def reencrypt_secrets(*, dry_run: bool = False) -> Rotation:
    """Re-encrypt what is under an older key, each row in a transaction of its own. A dry run only reads and counts.

    Rows that cannot be read are left as they are. Safe to stop and run again, and beside a running application.
    """
    rotation = Rotation()
    with every_tenant():
        _reencrypt_rows(WriteKey, rotation, dry_run=dry_run)
        _reencrypt_rows(SharedSecret, rotation, dry_run=dry_run)
    for authenticator_id in list(Authenticator.objects.order_by("pk").values_list("pk", flat=True)):
        _reencrypt_second_factor(authenticator_id, rotation, dry_run=dry_run)
    return rotation


def _reencrypt_second_factor(authenticator_id: int, rotation: Rotation, *, dry_run: bool) -> None:
    try:
        changed = second_factor.reencrypt(authenticator_id, dry_run=dry_run)
    except SecretError as error:
        rotation.unreadable.append(f"Second factor {authenticator_id}: {error}")
        return
    rotation.reencrypted += changed
    rotation.current += not changed


def _reencrypt_rows(model: type[WriteKey] | type[SharedSecret], rotation: Rotation, *, dry_run: bool) -> None:
    for row_id in list(model.objects.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            row = model.objects.select_for_update().filter(pk=row_id).first()
            if row is not None:
                _reencrypt(row, rotation, dry_run=dry_run)


def _reencrypt(row: WriteKey | SharedSecret, rotation: Rotation, *, dry_run: bool) -> None:
    """The row is sealed anew even when only its fingerprint, which derives from the oldest key, has changed."""
    before = (key_id_of(bytes(row.ciphertext)), _fingerprint(row))
    try:
        row.seal(row.unseal())
    except SecretError as error:
        rotation.unreadable.append(f"{row.owner}: {error}")
        return
    if before == (key_ring().newest_id, _fingerprint(row)):
        rotation.current += 1
        return
    rotation.reencrypted += 1
    if not dry_run:
        row.save(update_fields=["ciphertext", "fingerprint"] if isinstance(row, WriteKey) else ["ciphertext"])


def _fingerprint(row: WriteKey | SharedSecret) -> str:
    return row.fingerprint if isinstance(row, WriteKey) else ""
