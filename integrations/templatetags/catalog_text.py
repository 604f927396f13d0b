import re
from typing import Final

from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_MARKS: Final = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|\[(?P<link>[^\]]+)\]\((?P<to>[^)\s]+)\)")
_SAFE_LINK: Final = re.compile(r"https?://|mailto:|/")


@register.filter
def marked(text: str) -> SafeString:
    """The three marks that a document's texts may hold, as HTML; everything else is escaped."""
    parts, end = [], 0
    for found in _MARKS.finditer(text):
        parts += [escape(text[end : found.start()]), _element(found)]
        end = found.end()
    return mark_safe("".join([*parts, escape(text[end:])]))  # noqa: S308  # every part is escaped


def _element(found: re.Match[str]) -> SafeString:
    if found["code"]:
        return format_html("<code>{}</code>", found["code"])
    if found["strong"]:
        return format_html("<strong>{}</strong>", found["strong"])
    if _SAFE_LINK.match(found["to"]):
        return format_html('<a href="{}">{}</a>', found["to"], found["link"])
    return escape(found[0])
