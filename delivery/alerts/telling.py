"""Making mails of incidents: one for each member who wants to know, about everything that is news, and few an hour."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from delivery.alerts.enums import IncidentKind, Phase
from delivery.alerts.models import Alert, AlertChoice, AlertMail, Incident
from delivery.clock import ClockTimestamp, database_now
from tenants.enums import Role
from tenants.models import Membership

GATHERED_FOR: Final = timedelta(minutes=1)
"""What begins or ends with the first news of a tenant within this time is told together with it."""
ALERTS_AN_HOUR: Final = 4
"""Of a tenant. What happens after the fourth waits, and is told together."""
MOST_TOLD: Final = 1_000
"""Incidents of one alert; the rest goes into the next."""

ALERTED_ROLES: Final = (Role.OWNER, Role.ADMIN)
"""They can do something about it, so they are told until they say otherwise."""


@dataclass(frozen=True, slots=True)
class Item:
    """What an alert says of one incident."""

    phase: str
    kind: str
    source_id: int
    source: str
    reason: str
    opened_at: str
    closed_at: str = ""

    @property
    def opened(self) -> datetime:
        return datetime.fromisoformat(self.opened_at)

    @property
    def closed(self) -> datetime | None:
        return datetime.fromisoformat(self.closed_at) if self.closed_at else None

    @property
    def headline(self) -> str:
        kind = IncidentKind(self.kind)
        if self.phase == Phase.RECOVERED:
            return kind.when_over
        return f"{kind.label} (over already)" if self.phase == Phase.PASSED else kind.label


def items_of(alert: Alert, choice: AlertChoice) -> list[Item]:
    """Those that the member wants to know of."""
    items = [Item(**each) for each in alert.items]
    return [item for item in items if item.kind in choice.kinds and (choice.recovered or item.phase != Phase.RECOVERED)]


def choice_of(member: Membership) -> AlertChoice:
    """What the member has chosen, or what holds until then; one that is not stored yet can be saved."""
    chosen: AlertChoice | None = getattr(member, "alert_choice", None)
    if chosen is not None:
        return chosen
    kinds = list(IncidentKind.values) if member.role in ALERTED_ROLES else []
    return AlertChoice(membership=member, kinds=kinds)


def tell_news() -> None:
    """In the scope of every tenant. Told twice at once, it is told once."""
    news = Incident.objects.filter(is_news=True).annotate(since=Coalesce("closed_at", "opened_at"))
    gathered = news.filter(since__lte=database_now() - GATHERED_FOR)
    for tenant_id in gathered.values_list("tenant_id", flat=True).distinct():
        with transaction.atomic():
            _one_at_a_time(tenant_id)
            _tell(tenant_id)


def _one_at_a_time(tenant_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('headwater alerts', %s))", [tenant_id])


def _tell(tenant_id: int) -> None:
    now = database_now()
    if Alert.objects.filter(tenant_id=tenant_id, created_at__gt=now - timedelta(hours=1)).count() >= ALERTS_AN_HOUR:
        return
    news = Incident.objects.filter(tenant_id=tenant_id, is_news=True).select_related("source")
    told = list(news.select_for_update(of=("self",)).order_by("pk")[:MOST_TOLD])
    items = [_item(incident) for incident in told]
    Incident.objects.filter(pk__in=[incident.pk for incident in told]).update(is_news=False, told_at=ClockTimestamp())
    if items:
        _write(tenant_id, items, now)


def _item(incident: Incident) -> Item:
    phase = Phase.OPENED
    if incident.closed_at:
        phase = Phase.RECOVERED if incident.told_at else Phase.PASSED
    # An expiry that was announced is still to come.
    closed = incident.closed_at if incident.kind != IncidentKind.RETENTION else None
    if closed is None:
        phase = Phase.OPENED
    return Item(
        phase, incident.kind, incident.source_id, incident.source.name, incident.reason,
        incident.opened_at.isoformat(), closed.isoformat() if closed else "",
    )  # fmt: skip


def _write(tenant_id: int, items: list[Item], now: datetime) -> None:
    stored: list[dict[str, Any]] = [asdict(item) for item in items]
    alert = Alert(tenant_id=tenant_id, items=stored, created_at=now)
    wanting = [member for member in _asked(tenant_id, items) if items_of(alert, choice_of(member))]
    if wanting:
        alert.save(force_insert=True)
        AlertMail.objects.bulk_create(AlertMail(alert=alert, membership=member, not_before=now) for member in wanting)


def _asked(tenant_id: int, items: Iterable[Item]) -> QuerySet[Membership]:
    """The members who might want one of these: of thousands of viewers only those who chose something."""
    by_choice = Q(alert_choice__kinds__overlap=sorted({item.kind for item in items}))
    by_role = Q(alert_choice=None, role__in=ALERTED_ROLES)
    members = Membership.objects.filter(by_choice | by_role, tenant_id=tenant_id, user__is_active=True)
    return members.select_related("alert_choice").order_by("pk")
