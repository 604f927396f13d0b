"""What Segment's catalog wants to know, by the names of its list (src/_data/catalog/sources.yml in segment-docs)."""

from typing import Any, Final

from django.conf import settings

from integrations.catalog.sent import sent_events
from integrations.enums import Region

CATEGORIES: Final = {
    "ab-testing": "A/B Testing",
    "b2b-saas": "Custom",
    "ecommerce": "Website",
    "email": "Email Marketing",
    "live-chat": "Livechat",
    "mobile": "Mobile",
    "video": "Ott",
}
"""From a category of the Spec to one of the catalog's sources; `Custom` for any other."""


def metadata() -> dict[str, Any]:
    events = sent_events()
    page = f"connections/sources/catalog/cloud-apps/{settings.INTEGRATION_SLUG}"
    return {
        "display_name": settings.PRODUCT_NAME,
        "slug": settings.INTEGRATION_SLUG,
        "description": settings.PRODUCT_DESCRIPTION,
        "categories": [CATEGORIES.get(settings.INTEGRATION_CATEGORY, "Custom")],
        "source_type": "cloud-app",
        "isCloudEventSource": True,
        "partnerOwned": True,
        "regions": list(Region.values),
        "endpoints": list(Region.values),
        "url": page,
        "documentation": f"src/{page}/index.md",
        "website": settings.PRODUCT_URL,
        "support_email": settings.SUPPORT_EMAIL,
        "integration": {"name": settings.INTEGRATION_SLUG, "version": settings.INTEGRATION_VERSION},
        "calls": list(dict.fromkeys(event.call for event in events)),
        "events": [event.name for event in events],
    }
