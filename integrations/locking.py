"""One at a time for each source: what reads a source and then changes it holds its row meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from django.db import transaction
from django.db.models import Model

from integrations.errors import EditConflictError, SourceStateError
from integrations.models import Source
from tenants.scoping import scope


@contextmanager
def locked_source(source: Source) -> Iterator[None]:
    """A transaction that holds the source's row, read anew into `source`. Raises SourceStateError when it is gone.

    NO KEY: rows that merely point at the source go on being inserted.
    """
    with transaction.atomic(), scope(source.tenant_id):
        try:
            source.refresh_from_db(from_queryset=Source.objects.select_for_update(no_key=True))
        except Source.DoesNotExist:
            raise SourceStateError(f"“{source.name}” no longer exists.") from None
        yield


def stamp(shown: Model, *fields: str) -> str:
    """Tells whether these fields of a row are still what they were when a form showed them."""
    values = repr([(field, getattr(shown, field)) for field in fields])
    return sha256(values.encode()).hexdigest()[:16]


def require_unchanged(shown: Model, seen: str | None, *fields: str) -> None:
    """Raises EditConflictError when the fields are not those of the stamp. Without one nobody looked before."""
    if seen is not None and seen != stamp(shown, *fields):
        raise EditConflictError(f"“{shown}” was changed while this page was open.")
