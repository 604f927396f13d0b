"""What the staff's pages of all apps have in common: links in their look, and what was done, in the admin's history."""

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tenants.models import User


def staff_link(address: str, text: object) -> SafeString:
    return format_html('<a class="{}" href="{}">{}</a>', "text-primary-600 dark:text-primary-500", address, text)


def note_for_staff(done_to: Model, by: User, message: str) -> None:
    """Beside the history of the company, which its people read."""
    LogEntry.objects.log_actions(
        user_id=by.pk, queryset=[done_to], action_flag=CHANGE, change_message=message, single_object=True
    )
