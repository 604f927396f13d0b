"""What the beat's task does, twice a minute."""

from datetime import timedelta
from typing import Final

from delivery.alerts.looking import look_around
from delivery.alerts.mailing import hint_if_due
from delivery.alerts.models import Alert, AlertMail, Incident
from delivery.alerts.telling import tell_news
from delivery.clock import database_now
from tenants.scoping import every_tenant

KEPT: Final = timedelta(days=90)
CHUNK: Final = 500
"""Of the oldest: what is still open among them stays."""


def run() -> None:
    """Look, tell, and have what is due sent. Late, or twice at once, it changes nothing."""
    with every_tenant():
        look_around()
        tell_news()
        hint_if_due()
        forget()


def forget() -> None:
    """Incidents and alerts that are old enough."""
    before = database_now() - KEPT
    incidents = Incident.objects.order_by("pk").values_list("pk", "closed_at")[:CHUNK]
    old = [pk for pk, closed_at in incidents if closed_at and closed_at < before]
    Incident.objects.filter(pk__in=old).delete()
    alerts = Alert.objects.order_by("pk").values_list("pk", "created_at")[:CHUNK]
    gone = [pk for pk, created_at in alerts if created_at < before]
    AlertMail.objects.filter(alert__in=gone).delete()
    Alert.objects.filter(pk__in=gone).delete()
