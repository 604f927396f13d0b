"""What this app has of a company, for its export: the company, its people, its history."""

from typing import Any

from tenants.exports.parts import Part, exporting, part_of
from tenants.models import AuditEntry, Erasure, Invitation, Membership, Tenant


def connect() -> None:
    exporting.connect(parts, dispatch_uid="tenants: exporting")


def parts(*, tenant: Tenant, **_kwargs: Any) -> list[Part]:
    own = [tenant.pk]
    return [
        part_of(
            "company/company", "The company itself.", Tenant.objects.all(),
            "name", "slug", "created_at", by="pk", groups=own,
        ),
        part_of(
            "company/members", "Who belongs to it, with which role.", Membership.objects.all(),
            "role", "created_at", by="tenant", groups=own, email="user__email", last_sign_in="user__last_login",
        ),
        part_of(
            "company/invitations", "Who was invited.", Invitation.objects.all(),
            "email", "role", "created_at", "sent_at", "sends", "expires_at", "accepted_at", "revoked_at",
            by="tenant", groups=own, invited_by="invited_by__email",
        ),
        part_of(
            "company/history", "Who did what, and when.", AuditEntry.objects.all(),
            "at", "deed", "subject", "details", by="tenant", groups=own, who="by_label",
        ),
        part_of(
            "company/erasures", "What was erased on request: the receipts.", Erasure.objects.all(),
            "id", "kind", "subject", "digest", "counts", "asked_at", "begun_at", "done_at",
            by="tenant_number", groups=own, asked_by="by_label",
        ),
    ]  # fmt: skip
