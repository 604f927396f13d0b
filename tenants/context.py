from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tenants.queries import tenants_of


def tenancy(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the page's `tenant`, `membership` and staff's `visit` (None outside of one) and `my_tenants`.

    `my_tenants` costs one query where a template uses it, and none for an anonymous visitor.
    """

    def my_tenants() -> list[Any]:
        user = getattr(request, "user", None)
        return list(tenants_of(user)) if user is not None and user.is_authenticated else []

    return {
        "tenant": getattr(request, "tenant", None),
        "membership": getattr(request, "membership", None),
        "visit": getattr(request, "visit", None),
        "my_tenants": SimpleLazyObject(my_tenants),
    }
