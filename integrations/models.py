import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models

from integrations import secrets
from integrations.enums import IdentityMode, KeyPurpose, PersonKeyKind, Region, SourceState
from tenants.models import Tenant, User
from tenants.scoping import ScopedManager


class Source(models.Model):
    """One tenant's connection to one Segment source.

    `version` counts the credentials: it goes up whenever the write key or the region changes, and every delivery
    attempt carries the version it was made with, so that an answer to an old key never judges a new one.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=100)
    region = models.CharField(max_length=2, choices=Region.choices)
    state = models.CharField(max_length=12, choices=SourceState.choices, default=SourceState.CONNECTED)
    version = models.PositiveIntegerField(default=1)
    identity = models.CharField(max_length=10, choices=IdentityMode.choices, default=IdentityMode.USER_ID)
    events_off = ArrayField(models.TextField(), default=list, blank=True, help_text="Names of tracks it does not want.")
    property_rules = models.JSONField(default=dict, blank=True, help_text="What is done to a property, by its name.")
    confirmed_version = models.PositiveIntegerField(
        default=0, help_text="The version whose test event the customer has found in Segment."
    )
    shadow_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when what is captured is not to be sent without asking."
    )
    message_id_key = models.UUIDField(
        db_default=RandomUUID(), editable=False, help_text="The messageIds of calls with an id of their own come of it."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    """Of state, write key or region, whatever sending depends on: the wait of what waits counts from then on."""

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="source_name_once"),
            models.CheckConstraint(condition=models.Q(region__in=Region.values), name="source_region_known"),
            models.CheckConstraint(condition=models.Q(state__in=SourceState.values), name="source_state_known"),
            models.CheckConstraint(condition=models.Q(identity__in=IdentityMode.values), name="source_identity_known"),
            # A source that is disconnected in shadow comes back in shadow.
            models.CheckConstraint(
                condition=models.Q(state=SourceState.SHADOW, shadow_since__isnull=False)
                | models.Q(state__in=[SourceState.CONNECTED, SourceState.PAUSED], shadow_since=None)
                | models.Q(state=SourceState.DISCONNECTED),
                name="source_shadow_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_confirmed(self) -> bool:
        """Whether the customer has seen an event in Segment that was sent with this key to this region."""
        return self.confirmed_version == self.version


class WriteKey(models.Model):
    """The write key of a source, as ciphertext. A disconnected source has none.

    The UUID primary key is part of what the ciphertext authenticates (integrations/secrets.py): copied to another row
    it does not decrypt.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.OneToOneField(Source, on_delete=models.CASCADE, related_name="write_key")
    ciphertext = models.BinaryField()
    last_four = models.CharField(max_length=4)
    fingerprint = models.CharField(max_length=16)
    """First 16 hex digits of a keyed HMAC: tells two keys apart without telling the key."""
    saved_at = models.DateTimeField(auto_now=True)

    objects = ScopedManager("source__tenant")

    def __str__(self) -> str:
        return f"…{self.last_four}"

    @property
    def owner(self) -> str:
        return f"Source {self.source_id}"

    def seal(self, write_key: secrets.Secret) -> None:
        """Put a write key in this row, to be saved by the caller."""
        self.ciphertext = secrets.encrypt(write_key.reveal(), **self._place)
        self.last_four = write_key.reveal()[-4:]
        self.fingerprint = secrets.fingerprint(write_key)

    def unseal(self) -> secrets.Secret:
        """The write key of this row. Raises SecretError when it cannot be read."""
        return secrets.Secret(secrets.decrypt(bytes(self.ciphertext), **self._place))

    @property
    def _place(self) -> dict[str, str]:
        return {"table": "integrations_writekey", "row": str(self.pk), "field": "ciphertext"}


class ConnectionTest(models.Model):
    """The newest test event of a source: the customer finds its code in Segment and types it back."""

    source = models.OneToOneField(Source, on_delete=models.CASCADE, primary_key=True, related_name="connection_test")
    version = models.PositiveIntegerField(help_text="Source.version that it was sent for.")
    code = models.CharField(max_length=6)
    sent_at = models.DateTimeField()
    wrong_codes = models.PositiveSmallIntegerField(default=0)

    objects = ScopedManager("source__tenant")

    def __str__(self) -> str:
        return f"test of source {self.source_id}"


class ApiKey(models.Model):
    """What a program shows to be let in as a tenant. Only its digest is kept, so the key cannot be read back.

    A plain SHA-256 is enough: the key is 256 random bits (integrations/api_keys.py), so there is nothing to guess.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    purpose = models.CharField(max_length=7, choices=KeyPurpose.choices)
    name = models.CharField(max_length=100)
    last_four = models.CharField(max_length=4)
    digest = models.BinaryField(max_length=32, unique=True)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", help_text="None: the command line."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(
        null=True, help_text="To the minute: a busy key is not written at each request."
    )
    revoked_at = models.DateTimeField(null=True)

    objects = ScopedManager()

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(condition=models.Q(purpose__in=KeyPurpose.values), name="api_key_purpose_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"


class SharedSecret(models.Model):
    """The secret that Segment signs requests with that come with this API key, as ciphertext. Most keys have none."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    api_key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, related_name="shared_secret")
    ciphertext = models.BinaryField()
    saved_at = models.DateTimeField(auto_now=True)

    objects = ScopedManager("api_key__tenant")

    def __str__(self) -> str:
        return f"shared secret of {self.api_key_id}"

    @property
    def owner(self) -> str:
        return f"API key {self.api_key_id}"

    def seal(self, secret: secrets.Secret) -> None:
        """Put a secret in this row, to be saved by the caller."""
        self.ciphertext = secrets.encrypt(secret.reveal(), **self._place)

    def unseal(self) -> secrets.Secret:
        """Raises SecretError when it cannot be read."""
        return secrets.Secret(secrets.decrypt(bytes(self.ciphertext), **self._place))

    @property
    def _place(self) -> dict[str, str]:
        return {"table": "integrations_sharedsecret", "row": str(self.pk), "field": "ciphertext"}


class Person(models.Model):
    """Somebody as a tenant's Segment workspace knows them, from the calls that it sends us.

    `user_id` is the one to send back; the ids that lead here are rows of PersonKey.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", db_index=False)
    user_id = models.TextField(blank=True, help_text="As Segment sent it last; empty while the person is anonymous.")
    email = models.TextField(blank=True, help_text="In small letters.")
    group_id = models.TextField(blank=True)
    traits = models.JSONField(default=dict)
    told_at = models.DateTimeField(help_text="The time of the newest call that said something about the person.")
    seen_at = models.DateTimeField(help_text="When Segment last sent a call of theirs, to the hour.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()

    class Meta:
        verbose_name_plural = "people"
        indexes = [
            # The userId for an address, asked for each event; the newest word counts.
            models.Index(
                fields=["tenant", "email", "-told_at"],
                name="person_by_email",
                condition=~models.Q(email="") & ~models.Q(user_id=""),
            ),
        ]

    def __str__(self) -> str:
        return self.user_id or self.email or f"person {self.pk}"


class PersonKey(models.Model):
    """An id by which Segment speaks of a person: each userId they ever had, and the anonymousIds of their devices."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=9, choices=PersonKeyKind.choices)
    value = models.TextField()

    objects = ScopedManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "kind", "value"], name="person_key_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"


class AnonymousId(models.Model):
    """An anonymousId that a source was sent in place of a userId, and the userId that it was told of since.

    Nothing forbids two rows for one: a unique value would make two captures wait for each other's transactions.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+", db_index=False)
    value = models.TextField()
    tool_id = models.TextField(blank=True)
    email = models.TextField(blank=True, help_text="In small letters.")
    user_id = models.TextField(blank=True, help_text="Empty while it is unknown.")
    sent_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager("source__tenant")

    class Meta:
        indexes = [
            # Whether a source was sent this one before.
            models.Index(fields=["source", "value"], name="anonymous_id_sent"),
            # Whose userId is still unknown, when an address gets one.
            models.Index(fields=["source", "email"], name="anonymous_id_unnamed", condition=models.Q(user_id="")),
        ]

    def __str__(self) -> str:
        return self.value
