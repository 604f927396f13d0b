"""A small email tool: people, campaigns, and the message that each person got."""

from django.db import models
from django.utils import timezone

from tenants.models import Tenant
from tenants.scoping import ScopedManager


class Person(models.Model):
    """Somebody a tenant writes to. `external_id` is the tenant's own id of the person, Segment's userId."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    email = models.EmailField()
    name = models.CharField(max_length=100, blank=True)
    external_id = models.CharField("your id of this person", max_length=200, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)

    objects: ScopedManager["Person"] = ScopedManager()

    class Meta:
        verbose_name_plural = "people"
        constraints = [models.UniqueConstraint(fields=["tenant", "email"], name="person_email_once")]

    def __str__(self) -> str:
        return self.email


class Campaign(models.Model):
    """One email to many people, with one hyperlink and an unsubscribe option."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    link_text = models.CharField(max_length=100)
    link_url = models.URLField(max_length=2000)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    objects: ScopedManager["Campaign"] = ScopedManager()

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """The campaign's email to one person, and the first time of each thing that happened to it."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="messages")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="messages")
    delivered_at = models.DateTimeField(null=True, blank=True)
    bounced_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    clicked_at = models.DateTimeField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)

    objects: ScopedManager["Message"] = ScopedManager("campaign__tenant")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "person"], name="message_once")]

    def __str__(self) -> str:
        return f"{self.campaign} to {self.person}"
