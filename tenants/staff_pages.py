"""What the staff's pages of all apps have in common: lists that nobody counts, links in their look, and what was done,
in the admin's history.
"""

from collections.abc import Iterable
from typing import Final

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold import paginator

from tenants.models import User

DEEPEST_ROW: Final = 50_000


class InfinitePaginator(paginator.InfinitePaginator):
    """Previous and next, no COUNT(*) over millions. Unfold's templates know such a paginator by this class name."""

    count = DEEPEST_ROW
    """Not what there is, but as far as pages go: an OFFSET reads all that it skips."""


def staff_link(address: str, text: object) -> SafeString:
    return format_html('<a class="{}" href="{}">{}</a>', "text-primary-600 dark:text-primary-500", address, text)


def note_for_staff(done_to: Model, by: User, message: str) -> None:
    """Beside the history of the company, which its people read."""
    LogEntry.objects.log_actions(
        user_id=by.pk, queryset=[done_to], action_flag=CHANGE, change_message=message, single_object=True
    )


def forget_notes(model: type[Model], numbers: Iterable[int]) -> None:
    """Of rows that are erased: the admin's history has their names, and reasons in words. Nothing ties it to them."""
    about = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
    about.filter(object_id__in=[str(number) for number in numbers]).delete()
