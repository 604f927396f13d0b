"""What is wrong with sources, and the mails that tell of it. docs/alerts.md tells the rules."""

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from delivery.alerts.enums import IncidentKind, MailState
from integrations.models import Source
from tenants.models import Membership, Tenant
from tenants.scoping import ScopedManager

BACKLOG_MINUTES: Final = 30
REFUSED_AN_HOUR: Final = 100


class Incident(models.Model):
    """Something wrong with a source, from when it was found until it was found to be over.

    That old events are about to expire is over as soon as it is told: each warning is an incident of its own.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, db_index=False, related_name="+")
    source = models.ForeignKey(Source, models.CASCADE, related_name="incidents")
    kind = models.CharField(max_length=11, choices=IncidentKind.choices)
    reason = models.TextField(help_text="In words for the customer.")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    is_news = models.BooleanField(default=True, help_text="Something about it is still to be told.")
    told_at = models.DateTimeField(null=True, blank=True, help_text="When members were told that it began.")

    objects = ScopedManager()

    class Meta:
        indexes = [
            # A tenant's newest, for its page.
            models.Index(fields=["tenant", "-id"], name="incident_newest"),
            # What is still to be told.
            models.Index(fields=["tenant"], name="incident_news", condition=Q(is_news=True)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["source", "kind"], condition=Q(closed_at=None), name="incident_open_once"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class AlertLimits(models.Model):
    """From when on a tenant wants to hear of a backlog, and of refused events. Without a row: the defaults."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, primary_key=True, related_name="alert_limits")
    backlog_minutes = models.PositiveIntegerField(
        default=BACKLOG_MINUTES, validators=[MinValueValidator(5), MaxValueValidator(1_440)]
    )
    refused_an_hour = models.PositiveIntegerField(
        default=REFUSED_AN_HOUR, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )

    objects = ScopedManager()

    class Meta:
        verbose_name_plural = "alert limits"

    def __str__(self) -> str:
        return f"{self.backlog_minutes} minutes, {self.refused_an_hour} an hour"


class AlertChoice(models.Model):
    """What a member wants to be written to about. Without a row: everything for owners and admins, else nothing."""

    membership = models.OneToOneField(Membership, models.CASCADE, primary_key=True, related_name="alert_choice")
    kinds = ArrayField(models.CharField(max_length=11, choices=IncidentKind.choices), default=list, blank=True)
    recovered = models.BooleanField(default=True, help_text="Also when what was told is over.")

    objects = ScopedManager("membership__tenant")

    def __str__(self) -> str:
        return f"{len(self.kinds)} kinds"


class Alert(models.Model):
    """One message to a tenant's members, about one incident or many. `items`: delivery/alerts/telling.py."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, db_index=False, related_name="+")
    items = models.JSONField()
    created_at = models.DateTimeField()

    objects = ScopedManager()

    class Meta:
        # How many a tenant had in the last hour.
        indexes = [models.Index(fields=["tenant", "created_at"], name="alert_by_time")]

    def __str__(self) -> str:
        return f"alert {self.pk}"


class AlertMail(models.Model):
    """An alert to one member: a row, so that a mail server that is away loses nothing. Gone with the membership."""

    id = models.BigAutoField(primary_key=True)
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="mails")
    membership = models.ForeignKey(Membership, models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=MailState.choices, default=MailState.WAITING)
    tries = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(help_text="Of the next try; whoever tries puts it off first.")
    error = models.CharField(max_length=200, blank=True)

    objects = ScopedManager("alert__tenant")

    class Meta:
        # Those that are due.
        indexes = [models.Index(fields=["not_before"], name="alert_mail_due", condition=Q(state="waiting"))]

    def __str__(self) -> str:
        return f"mail of alert {self.alert_id}"
