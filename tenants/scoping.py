"""The guard that keeps one tenant's rows from another.

A model with a `ScopedManager` cannot be queried at all unless a scope is active: a forgotten filter is an error, not a
leak. (django-scopes has the same idea, but lets `exists()` and `exclude()` through without a scope.)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar, cast

from django.db import models

from tenants.errors import ScopeError

_EVERY_TENANT: Final = "every tenant"
_scope: ContextVar[int | str | None] = ContextVar("tenant_scope", default=None)

M = TypeVar("M", bound=models.Model)


@contextmanager
def scope(tenant_id: int) -> Iterator[None]:
    """Let queries see the rows of this tenant, and no others."""
    token = _scope.set(tenant_id)
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def every_tenant() -> Iterator[None]:
    """Let queries see every tenant: for staff, operators' commands and the engine, never for a tenant's page."""
    token = _scope.set(_EVERY_TENANT)
    try:
        yield
    finally:
        _scope.reset(token)


class ScopedManager(models.Manager[M]):
    """A manager whose every query is limited to the active scope; without one it raises `ScopeError`."""

    def __init__(self, tenant_field: str = "tenant") -> None:
        super().__init__()
        self.tenant_field = tenant_field

    def get_queryset(self) -> models.QuerySet[M]:
        active = _scope.get()
        if active is None:
            raise ScopeError(
                f"{self.model.__name__} was queried outside a tenant's scope: use tenants.scoping.scope()."
            )
        queryset = super().get_queryset()
        if active == _EVERY_TENANT:
            return queryset
        # Asked of the model, because Django builds related managers (`campaign.messages`) without our argument.
        default = cast("ScopedManager[M]", self.model._default_manager)
        conditions: dict[str, Any] = {default.tenant_field: active}
        return queryset.filter(**conditions)
