from django.db import models

from integrations.models import Source
from tenants.scoping import ScopedManager


class GoingLive(models.Model):
    """A source on its way out of the shadow: these of its events are left out first, then it begins to send."""

    source = models.OneToOneField(Source, models.CASCADE, primary_key=True, related_name="going_live")
    first_id = models.BigIntegerField(help_text="Of the events that are left out.")
    end_id = models.BigIntegerField(help_text="The first id that is sent again.")
    left_out = models.PositiveIntegerField(default=0, help_text="So far.")
    requested_by = models.CharField(max_length=200)
    requested_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager("source__tenant")

    class Meta:
        verbose_name_plural = "going live"

    def __str__(self) -> str:
        return f"source {self.source_id} goes live"
