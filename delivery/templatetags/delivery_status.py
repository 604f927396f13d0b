from django import template

from delivery import identities, queries
from integrations.models import Source

register = template.Library()


@register.simple_tag
def delivery_status(source: Source) -> queries.SourceStatus:
    """For pages of other apps, which include `delivery/source_state.html` and know nothing of delivery."""
    return queries.status_of(source)


@register.simple_tag
def identities_of(source: Source) -> identities.Identities:
    """The same, for `delivery/identities.html`."""
    return identities.identities_of(source)
