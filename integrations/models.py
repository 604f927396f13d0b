import uuid

from django.db import models

from integrations import secrets
from integrations.enums import KeyPurpose, Region, SourceState
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
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="source_name_once"),
            models.CheckConstraint(condition=models.Q(region__in=Region.values), name="source_region_known"),
            models.CheckConstraint(condition=models.Q(state__in=SourceState.values), name="source_state_known"),
        ]

    def __str__(self) -> str:
        return self.name


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
        constraints = [
            models.CheckConstraint(condition=models.Q(purpose__in=KeyPurpose.values), name="api_key_purpose_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"
