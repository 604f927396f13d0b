"""The outbox, the lanes and the log of what was sent.

An Event is written once and never changed. Pending is the to-do row of an event that is in no batch yet. Cutting a
batch deletes the pending rows and writes one Batch; from then on all state is on the batch. docs/delivery.md tells why.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from delivery.alerts.models import Alert, AlertChoice, AlertLimits, AlertMail, Incident  # noqa: F401  # Django looks for an app's models here
from delivery.enums import GIVEN_UP, BatchState, Hold, Outcome, RefusalReason
from delivery.importing.models import FileImport  # noqa: F401  # Django looks for an app's models here
from delivery.shadow_models import GoingLive  # noqa: F401  # Django looks for an app's models here
from integrations.enums import Region
from integrations.models import Source
from tenants.models import Tenant
from tenants.scoping import ScopedManager


class Event(models.Model):
    """A call captured for a source: immutable.

    No constraint points here and none points out, so that old partitions can be dropped and an insert checks nothing.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    source = models.ForeignKey(Source, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    message_id = models.UUIDField()
    type = models.CharField(max_length=8)
    name = models.TextField(help_text="The event of a track, the name of a page or screen, else empty.")
    user_id = models.TextField(help_text="userId of the call, else its anonymousId, else empty.")
    payload = models.TextField(help_text="The finished JSON text of the call, without sentAt and write key.")
    bytes = models.PositiveIntegerField(help_text="Length of the payload in UTF-8.")
    occurred_at = models.DateTimeField(help_text="The call's timestamp.")
    captured_at = models.DateTimeField()

    objects = ScopedManager()

    class Meta:
        indexes = [
            # An event's page and the admin's search by messageId.
            models.Index(fields=["message_id"], name="event_message_id"),
            # "What did this person do", for staff and for erasure.
            models.Index(fields=["user_id"], name="event_user_id", condition=~Q(user_id="")),
            # A source's newest events, for its pages and for replay by time.
            models.Index(fields=["source", "id"], name="event_source"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.name}".strip()


class EventPartition(models.Model):
    """A range of event ids that is a table of its own, to be dropped as one when it is old (delivery/partitions.py)."""

    first_id = models.BigIntegerField(primary_key=True)
    end_id = models.BigIntegerField(help_text="The first id that is not in it.")
    opened_at = models.DateTimeField(null=True, help_text="An id of it had been drawn by then.")
    passed_at = models.DateTimeField(null=True, help_text="No id of it was left by then: nothing was captured later.")

    def __str__(self) -> str:
        return f"events {self.first_id} to {self.end_id - 1}"


class Pending(models.Model):
    """An event that waits to be put in a batch. Narrow, because every event costs one insert and one delete of it."""

    pk = models.CompositePrimaryKey("source_id", "event_id")
    source = models.ForeignKey(Source, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    event_id = models.BigIntegerField()
    bytes = models.PositiveIntegerField()

    objects = ScopedManager("source__tenant")

    class Meta:
        verbose_name_plural = "pending"

    def __str__(self) -> str:
        return f"event {self.event_id}"


class MessageKey(models.Model):
    """Remembers a call that came with an id of its own, so that a client's retry is captured once."""

    pk = models.CompositePrimaryKey("source_id", "message_id")
    source = models.ForeignKey(Source, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    message_id = models.UUIDField(help_text="Derived from the client's id with a keyed HMAC of the source's.")
    event_id = models.BigIntegerField()
    captured_at = models.DateTimeField()

    objects = ScopedManager("source__tenant")

    class Meta:
        indexes = [
            # Those past their retention. Not BRIN: its ranges never narrow again when their space is used anew.
            models.Index(fields=["captured_at"], name="messagekey_captured_at"),
        ]

    def __str__(self) -> str:
        return str(self.message_id)


class Replay(models.Model):
    """Events that somebody sends again: once, however often they ask with the same token."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    source = models.ForeignKey(Source, models.CASCADE, related_name="+")
    token = models.CharField(max_length=64, unique=True, help_text="Made by whoever asks; the same one is done once.")
    requested_by = models.CharField(max_length=200)
    criteria = models.JSONField(help_text="What was asked for.")
    event_count = models.PositiveIntegerField()
    batch_count = models.PositiveIntegerField()
    accepted_before = models.PositiveIntegerField(help_text="Of the events.")
    may_arrive_twice = models.PositiveIntegerField(help_text="Of the events: Segment may not recognize them any more.")
    created_at = models.DateTimeField()

    objects = ScopedManager()

    class Meta:
        indexes = [models.Index(fields=["source", "-id"], name="replay_newest")]

    def __str__(self) -> str:
        return f"replay {self.pk}"


class Batch(models.Model):
    """The unit of delivery: the events of one request body."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    source = models.ForeignKey(Source, models.CASCADE, db_index=False, related_name="batches")
    event_ids = ArrayField(models.BigIntegerField())
    event_count = models.PositiveIntegerField()
    bytes = models.PositiveIntegerField(help_text="Of the payloads, without commas and envelope.")
    state = models.CharField(max_length=12, choices=BatchState.choices, default=BatchState.OPEN)
    reason = models.TextField(blank=True, help_text="Why it is set aside, quarantined or discarded.")
    attempts_made = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0, help_text="Attempts that count against the policy: not a 429's.")
    crashes = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="The first failed attempt since it was last held back or let go."
    )
    first_ambiguous_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The first attempt that may have reached Segment; inherited by halves and replays.",
    )
    ambiguous_region = models.CharField(max_length=2, blank=True, help_text="The region that it may have reached.")
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="halves")
    replay = models.ForeignKey(
        Replay, models.CASCADE, null=True, blank=True, db_index=False, related_name="batches", help_text="That made it."
    )
    again = models.BooleanField(
        default=False, db_default=False, help_text="Segment had accepted its events before: they are counted there."
    )
    waiting_since = models.DateTimeField(
        help_text="The capture of its first event; when a replay was asked for. Halves inherit it."
    )
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        verbose_name_plural = "batches"
        indexes = [
            # A source's batches.
            models.Index(fields=["source", "closed_at"], name="batch_by_source"),
            # How many of its events were accepted in an hour, day or week: a million batches are summed in 0.1 s.
            models.Index(
                fields=["source", "closed_at"],
                include=["event_count"],
                condition=Q(state="accepted", again=False),
                name="batch_accepted",
            ),
            # A lane's open batches, oldest first.
            models.Index(fields=["source", "id"], name="batch_open", condition=Q(state="open")),
            # What a source owes besides, for retention.
            models.Index(fields=["source", "id"], name="batch_given_up", condition=Q(state__in=GIVEN_UP)),
            # The batches of a replay.
            models.Index(fields=["replay"], name="batch_replay", condition=Q(replay__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(Q(state="open") & Q(closed_at=None)) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="batch_closed_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class Attempt(models.Model):
    """One HTTP request of a batch: written before it is sent, completed after."""

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="attempts")
    source = models.ForeignKey(Source, models.CASCADE, db_index=False, related_name="+")
    number = models.PositiveIntegerField()
    region = models.CharField(max_length=2, choices=Region.choices)
    source_version = models.PositiveIntegerField(help_text="Source.version when it was made.")
    lease_token = models.UUIDField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=14, choices=Outcome.choices, default=Outcome.UNKNOWN)
    ambiguous = models.BooleanField(default=True, help_text="It may have reached Segment.")
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.TextField(blank=True, help_text="The first 500 characters of the answer, or the error's kind.")
    retry_after = models.PositiveIntegerField(null=True, blank=True, help_text="Seconds Segment asked to wait.")

    objects = ScopedManager("source__tenant")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="attempt_number_once")]
        indexes = [
            models.Index(fields=["started_at"], name="attempt_started_at"),
            # A source's newest requests.
            models.Index(fields=["source", "id"], name="attempt_by_source"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of batch {self.batch_id}"


class Lane(models.Model):
    """The delivery state of a source: who works on it, since when it may, why it does not."""

    source = models.OneToOneField(Source, models.CASCADE, primary_key=True, related_name="lane")
    lease_token = models.UUIDField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row; the backoff's exponent.")
    mark = models.BigIntegerField(default=0, help_text="Cuts look behind this event id; reset to see late commits.")
    mark_reset_at = models.DateTimeField(null=True, blank=True)
    hold = models.CharField(max_length=20, choices=Hold.choices, blank=True)
    hold_reason = models.TextField(blank=True, help_text="In words for the customer.")
    held_at = models.DateTimeField(null=True, blank=True)
    accepted_version = models.PositiveIntegerField(default=0, help_text="Last Source.version that had a 200.")
    rejections = models.PositiveIntegerField(
        default=0, help_text="Answers 400 in a row, to single events or before the key's first 200."
    )
    last_accepted_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager("source__tenant")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(hold="", held_at=None) | (~Q(hold="") & Q(held_at__isnull=False)), name="lane_hold_has_time"
            ),
        ]

    def __str__(self) -> str:
        return f"lane of source {self.pk}"


class RateHold(models.Model):
    """A 429 of Segment's: no request with this key in this region before `until`, from any worker or source."""

    key_id = models.CharField(max_length=64, primary_key=True, help_text="HMAC of write key and region.")
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"until {self.until:%H:%M:%S}"


class Refusal(models.Model):
    """A call that was not captured, and why: in the same transaction as what caused it."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    source = models.ForeignKey(Source, models.CASCADE, null=True, blank=True, db_index=False, related_name="+")
    reason = models.CharField(max_length=16, choices=RefusalReason.choices)
    type = models.TextField(blank=True)
    name = models.TextField(blank=True)
    user_id = models.TextField(blank=True)
    findings = models.JSONField(default=list, help_text="The linter's findings: severity, code, path, message, remedy.")
    excerpt = models.TextField(blank=True, help_text="The first 2,000 characters of the call.")
    refused_at = models.DateTimeField()

    objects = ScopedManager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "-id"], name="refusal_newest"),
            # A source's newest, page by page.
            models.Index(fields=["source", "id"], name="refusal_by_source"),
            # How many a source had in the last hour, day or week.
            models.Index(fields=["source", "refused_at"], name="refusal_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.type or 'call'}: {self.get_reason_display()}"


class RetentionWarning(models.Model):
    """Tells a tenant that events of a source, neither accepted nor discarded, come to the end of their retention.

    The second one comes some days after the first; some days after the second the events expire.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    source = models.ForeignKey(Source, models.CASCADE, related_name="retention_warnings")
    before_id = models.BigIntegerField(help_text="It is about events with smaller ids.")
    number = models.PositiveSmallIntegerField(help_text="1 or 2.")
    waiting = models.PositiveIntegerField(help_text="Events that were never sent, or are to be sent again.")
    set_aside = models.PositiveIntegerField(help_text="Events.")
    quarantined = models.PositiveIntegerField(help_text="Events.")
    oldest_at = models.DateTimeField(null=True, help_text="When the oldest of them was captured.")
    expires_at = models.DateTimeField(help_text="They do not expire before.")
    warned_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="None of them is owed any more.")

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "before_id", "number"], name="retention_warning_once"),
            models.CheckConstraint(condition=Q(number__in=[1, 2]), name="retention_warning_number"),
        ]

    def __str__(self) -> str:
        return f"warning {self.number} of {self.events} events"

    @property
    def events(self) -> int:
        return self.waiting + self.set_aside + self.quarantined
