"""What a form of a source's pages does: once, however often it is sent, and never over somebody else's change."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.contrib import messages
from django.db import transaction

from integrations.errors import EditConflictError, SourceStateError
from integrations.locking import locked_source, require_unchanged
from integrations.models import Source
from tenants import audit
from tenants.access import TenantRequest

SEEN = "seen"
"""The field of a form with the stamp of what the form showed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """`note` is the entry of the history, `done` the sentence for the person, both with the source's name beside them.

    `edited` are the fields that the form showed. `is_done` tells, of the source as it is by then, whether it already
    is what was asked for: then the form was sent twice, and the second time is told what the first was.
    """

    act: Callable[[], object]
    note: str
    done: str
    edited: tuple[str, ...] = ()
    is_done: Callable[[], bool] = lambda: False
    details: dict[str, str | int | None] = field(default_factory=dict)


def carry_out(request: TenantRequest, source: Source, deed: Deed) -> bool:
    """Do it, note it in the history, and say how it went. False when nothing was done.

    Raises EditConflictError when somebody changed meanwhile what the form showed.
    """
    try:
        with transaction.atomic(), locked_source(source):
            if deed.edited:
                require_unchanged(source, request.POST.get(SEEN), *deed.edited)
            deed.act()
            audit.note(request.tenant.pk, request.user, deed.note, source.name, **deed.details)
    except (SourceStateError, EditConflictError) as error:
        if not deed.is_done():
            if isinstance(error, EditConflictError):
                raise
            messages.error(request, str(error))
            return False
    messages.success(request, f"“{source.name}” {deed.done}")
    return True
