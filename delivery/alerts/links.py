"""The link at the end of an alert that stops them. Whoever has it can stop one member's alerts, and nothing else."""

from typing import Final

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from tenants.models import Membership

_SIGNER: Final = "delivery.alerts.links"


def stop_url(member: Membership) -> str:
    return settings.SITE_URL + reverse("alerts:stop", args=[Signer(salt=_SIGNER).sign(str(member.pk))])


def member_of(token: str) -> Membership | None:
    """None for a token that is not ours, or whose member has left."""
    try:
        member_id = int(Signer(salt=_SIGNER).unsign(token))
    except (BadSignature, ValueError):
        return None
    return Membership.objects.select_related("tenant", "user", "alert_choice").filter(pk=member_id).first()
