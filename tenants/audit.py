"""The audit trail of a tenant: who did what to what, for its owners and admins to read."""

from typing import Final

from tenants.models import AuditEntry, User

SYSTEM: Final = "Headwater"
"""Who did what nobody who logged in did: the product itself, or the command line."""

_SUBJECT_LENGTH: Final = 300


def note(tenant_id: int, by: User | None, deed: str, subject: str, **details: str | int | None) -> None:
    """Add one entry in the caller's transaction, so that it stands exactly when the deed does.

    `by` None is the product itself or the command line. `deed` is a short phrase in the past tense for a page, read
    between the person and the subject: "replaced the write key of". Nothing given here may be a secret: what is not
    plain text or a number is refused with a TypeError, so that no wrapped key slips in.
    """
    for name, value in details.items():
        if not isinstance(value, str | int | None):
            raise TypeError(f"The detail {name} of an audit entry is neither text nor a number.")
    AuditEntry(
        tenant_id=tenant_id,
        by=by,
        by_label=by.email if by is not None else SYSTEM,
        deed=deed,
        subject=subject[:_SUBJECT_LENGTH],
        details=details,
    ).save(force_insert=True)
