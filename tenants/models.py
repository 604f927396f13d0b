import uuid
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone

from tenants.enums import ErasureKind, Role
from tenants.exports.models import Export, ExportPiece  # noqa: F401  # Django looks for an app's models here
from tenants.scoping import ScopedManager


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Who can run commands needs no mail to confirm an address, and may have no mail server yet."""
        from allauth.account.models import EmailAddress

        user = self.create_user(email, password, is_staff=True, is_superuser=True, **fields)
        EmailAddress.objects.using(self._db).create(user=user, email=user.email, verified=True, primary=True)
        return user


class User(AbstractUser):
    """A person who logs in, known by the email address."""

    username = None  # type: ignore[assignment]  # Django's documented way to drop the field
    email = models.EmailField("email address", unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()  # type: ignore[misc,assignment]  # AbstractUser types its own manager

    class Meta(AbstractUser.Meta):
        # Every way in writes the address in small letters; a second account that differs in case only cannot be.
        constraints = [models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_lower")]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()


class Tenant(models.Model):
    """A customer account of the product. Everything of it lives under its slug."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=50, unique=True)
    members = models.ManyToManyField(User, through="Membership", related_name="tenants")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user in a tenant, with a role."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant} ({self.role})"

    @property
    def can_administer(self) -> bool:
        """For templates: whether to offer what needs the role admin."""
        return Role(self.role).includes(Role.ADMIN)

    @property
    def is_owner(self) -> bool:
        return self.role == Role.OWNER

    def may_change(self, other: "Membership") -> bool:
        """Whether this member may change the other's role, or remove them: an admin not an owner's."""
        return self.can_administer and Role(self.role).includes(Role(other.role))


class Invitation(models.Model):
    """A place in a tenant that waits for the person behind an email address.

    The token is in the mail alone: the row keeps its digest. Sent again it gets a new token, and the old link is dead.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role.choices)
    digest = models.BinaryField(max_length=32, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(default=timezone.now)
    sends = models.PositiveSmallIntegerField(default=1)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once",
            ),
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="invitation_email_lower"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="invitation_role_known"),
        ]
        indexes = [
            # How many mails an address, and a tenant, were sent of late (tenants/invitations.py).
            models.Index(fields=["email", "sent_at"], name="invitation_to"),
            models.Index(fields=["tenant", "sent_at"], name="invitation_of"),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.tenant}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()


class AuditEntry(models.Model):
    """Who did what in a tenant, and when. Written by tenants.audit.note, never changed."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="audit_entries")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    by_label = models.CharField(max_length=254)
    """Outlives the account: the email address as it was then."""
    deed = models.CharField(max_length=100)
    subject = models.CharField(max_length=300, blank=True)
    details = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    objects = ScopedManager()

    class Meta:
        verbose_name_plural = "audit entries"
        # The page of a tenant, newest first; numbers are given in the order of time, near enough for a page.
        indexes = [models.Index(fields=["tenant", "-id"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.by_label} {self.deed} {self.subject}".strip()


class Erasure(models.Model):
    """Something that is erased on request, and afterwards the receipt of that (tenants/erasure.py).

    It outlives the company that it is about, so it points at none. Who the person is, stands in it until it is done.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=6, choices=ErasureKind.choices)
    tenant_number = models.BigIntegerField(db_index=True)
    tenant_name = models.CharField(max_length=100)
    subject = models.CharField(max_length=100, help_text="The name of the source or the company; no person's.")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the person's id, with its kind.")
    looked_for = models.JSONField(default=list, blank=True, help_text="Pairs of kind and value; empty when it is done.")
    source_ids = models.JSONField(default=list, blank=True)
    place = models.JSONField(default=dict, blank=True, help_text="How far it came.")
    counts = models.JSONField(default=dict, help_text="Rows that were erased, by what they were.")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    by_label = models.CharField(max_length=254, help_text="Outlives the account.")
    # By the database's clock: it is compared with the beginnings of transactions.
    asked_at = models.DateTimeField(db_default=Now())
    begun_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    objects = ScopedManager("tenant_number")

    class Meta:
        # What is left to do, asked each minute.
        indexes = [
            models.Index(fields=["asked_at"], name="erasure_not_done", condition=models.Q(done_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.tenant_name}"

    def add(self, what: str, count: int) -> None:
        """To be saved by the caller."""
        if count:
            self.counts[what] = self.counts.get(what, 0) + count

    def look_for(self, found: Iterable[Sequence[str]]) -> None:
        """More ids of the person: pairs of a PersonField and a value. To be saved by the caller."""
        self.looked_for += [[field, value] for field, value in found if [field, value] not in self.looked_for]


class Submission(models.Model):
    """A form that makes something was sent, and led there: sent again it leads there too (tenants/once.py)."""

    mark = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    led_to = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.led_to
