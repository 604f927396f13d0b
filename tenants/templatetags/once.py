from uuid import uuid4

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tenants.once import FIELD

register = template.Library()


@register.simple_tag
def once() -> SafeString:
    """The hidden field of a form whose view is `tenants.once.sent_once`. Not kept by browsers: a page has its own."""
    return format_html('<input type="hidden" name="{}" value="{}" autocomplete="off">', FIELD, uuid4())
