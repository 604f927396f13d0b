"""A small email tool: people, campaigns, the message that each person got, and the demo's mailbox."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
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

    segment_id: str = ""
    """What Segment calls them, on pages that ask (`queries.ask_segment_ids`). Not stored: Segment may change it."""

    objects = ScopedManager()

    class Meta:
        verbose_name_plural = "people"
        constraints = [models.UniqueConstraint(fields=["tenant", "email"], name="person_email_once")]

    def __str__(self) -> str:
        return self.email


class Campaign(models.Model):
    """One email to many people, with one hyperlink and an unsubscribe option.

    `sent_at` is when sending began: from then on the email is fixed and its recipients are its messages.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    subject = models.CharField(max_length=200)
    body = models.TextField("text")
    link_text = models.CharField(max_length=100)
    link_url = models.URLField("link address", max_length=2000)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """The campaign's email to one person, and the first time of each thing that happened to it."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="messages")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="messages")
    handed_over_at = models.DateTimeField(
        null=True, blank=True, help_text="An email provider took it, and tells later what became of it."
    )
    delivered_at = models.DateTimeField(null=True, blank=True)
    bounced_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    clicked_at = models.DateTimeField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager("campaign__tenant")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "person"], name="message_once")]

    def __str__(self) -> str:
        return f"{self.campaign} to {self.person}"


class MailboxMessage(models.Model):
    """An email that the demo sent, as it would have gone over the wire. Recipients are in lower case."""

    recipients = ArrayField(models.CharField(max_length=254))
    subject = models.CharField(max_length=998)
    raw = models.BinaryField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        # The mailbox page asks for the mails whose recipients contain the reader's address.
        indexes = [GinIndex(fields=["recipients"], name="mailbox_recipients")]

    def __str__(self) -> str:
        return self.subject
