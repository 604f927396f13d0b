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
