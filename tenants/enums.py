from django.db import models


class Role(models.TextChoices):
    """What a member may do. Each role may do all that the ones below it may."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    VIEWER = "viewer", "Viewer"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        ranked = list(Role)
        return ranked.index(self) <= ranked.index(other)


class ErasureKind(models.TextChoices):
    """What is erased on request."""

    PERSON = "person", "A person"
    SOURCE = "source", "A source"
    TENANT = "tenant", "A company"


class PersonField(models.TextChoices):
    """By what a person is named who is to be erased."""

    USER = "user", "userId"
    ANONYMOUS = "anonymous", "anonymousId"
    EMAIL = "email", "Email address"


class ExportState(models.TextChoices):
    """Where the export of a company's data stands. The file of an expired one is deleted."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Being made"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Deleted"
