"""All addresses of the URL configuration, one by one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.resolvers import RoutePattern

CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Address:
    name: str
    """As `reverse` takes it; the route itself where the configuration gives no name."""
    route: str
    arguments: tuple[str, ...]
    is_named: bool

    @property
    def is_of_a_tenant(self) -> bool:
        return "tenant_slug" in self.arguments

    @property
    def is_of_the_admin(self) -> bool:
        return self.route.startswith("admin/")

    def path(self, values: dict[str, str]) -> str:
        """Filled in; a KeyError names the argument that `values` lacks."""
        chosen = {name: values[name] for name in self.arguments}
        if self.is_named:
            return reverse(self.name, kwargs=chosen)
        return "/" + CONVERTER.sub(lambda found: chosen[found[1]], self.route)


def all_addresses(urlconf: str) -> list[Address]:
    return list(_walk(get_resolver(urlconf), "", "", ()))


def _walk(resolver: URLResolver, prefix: str, route: str, arguments: tuple[str, ...]) -> Iterator[Address]:
    for pattern in resolver.url_patterns:
        here = arguments + _arguments(pattern)
        if isinstance(pattern, URLPattern):
            full = route + str(pattern.pattern)
            yield Address(f"{prefix}{pattern.name}" if pattern.name else full, full, here, bool(pattern.name))
        else:
            within = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from _walk(pattern, within, route + str(pattern.pattern), here)


def _arguments(pattern: URLPattern | URLResolver) -> tuple[str, ...]:
    if isinstance(pattern.pattern, RoutePattern):
        return tuple(pattern.pattern.converters)
    return tuple(pattern.pattern.regex.groupindex)
