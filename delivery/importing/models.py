from django.db import models

from integrations.models import Source
from tenants.models import Tenant
from tenants.scoping import ScopedManager


class FileImport(models.Model):
    """A file that goes, or went, to a source, and how far it came.

    It is never deleted while its source lives: it is what makes a second run of the file, however late, add nothing.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    source = models.ForeignKey(Source, models.CASCADE, related_name="file_imports", db_index=False)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file, and of how its rows become calls.")
    file_name = models.TextField()
    file_bytes = models.BigIntegerField()
    position = models.BigIntegerField(default=0, help_text="Bytes of the file whose rows are dealt with.")
    line = models.BigIntegerField(default=0, help_text="Lines in them.")
    captured = models.BigIntegerField(default=0, help_text="Events made.")
    duplicates = models.BigIntegerField(default=0, help_text="Rows that the source had before.")
    refused = models.BigIntegerField(default=0)
    requested_by = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "digest"], name="file_import_once")]
        indexes = [models.Index(fields=["tenant", "-id"], name="file_import_newest")]

    def __str__(self) -> str:
        return f"import of {self.file_name}"
