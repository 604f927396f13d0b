"""Whether what the Spec names has the type that the Spec gives it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from integrations.spec.catalogue import Properties, Property, SemanticEvent, catalogue
from integrations.spec.codes import warning
from integrations.spec.findings import Finding
from integrations.spec.json_types import fits, named
from integrations.spec.rules.money import MONEY

PROPERTY_TYPE = warning(
    "property_type",
    "A property that the Spec names has another type than the Spec gives it.",
    "Send it in the type of the Spec.",
)
PROPERTY_MISSING = warning(
    "property_missing",
    "A property is missing without which the Spec says an event must not be sent: the products of an order.",
    "Add the property.",
)
TRAIT_TYPE = warning(
    "trait_type",
    "A reserved trait has another type than the Spec gives it.",
    "Send it in the type of the Spec, or under a name of its own.",
)
CONTEXT_TYPE = warning(
    "context_type",
    "A field of the context has another type than the Spec gives it.",
    "Send it in the type of the Spec.",
)

MAX_ITEMS = 100
"""Items of an array that are looked at: a mistake in a list of products is in the first of them."""


def semantic_event(call: Mapping[Any, Any]) -> SemanticEvent | None:
    """The event of the Spec that this track call is, by exact name."""
    name = call.get("event")
    if call.get("type") != "track" or not isinstance(name, str):
        return None
    spec = catalogue()
    return spec.events.get(spec.variants.get(name, name))


def check_properties(call: dict[Any, Any], found: list[Finding]) -> None:
    kind, properties = call.get("type"), call.get("properties")
    if not isinstance(kind, str) or kind not in catalogue().calls:
        return
    event = semantic_event(call)
    if event is not None:
        _check_required(event, properties, found)
    if isinstance(properties, dict):
        _check_types(properties, _expected(kind, event.name if event else None), "properties", found)


def check_traits(call: dict[Any, Any], found: list[Finding]) -> None:
    of_group = call.get("type") == "group"
    _check_reserved_traits(call.get("traits"), "traits", of_group, found)
    context = call.get("context")
    if isinstance(context, dict):
        _check_reserved_traits(context.get("traits"), "context.traits", False, found)


def check_context(call: dict[Any, Any], found: list[Finding]) -> None:
    context = call.get("context")
    if not isinstance(context, dict):
        return
    expected = catalogue().context
    for name, value in context.items():
        prop = expected.get(name)
        # A wrong context.integration is an error of its own.
        if prop is None or value is None or name == "integration" or fits(prop.type)(value):
            continue
        found.append(CONTEXT_TYPE.at(f"context.{name}", *_wrong(prop, value)))


@cache
def _expected(kind: str, event: str | None) -> Properties:
    """The properties of any call of this kind, and over them those of the event."""
    spec = catalogue()
    return {**spec.calls[kind].properties, **(spec.events[event].properties if event else {})}


def _check_required(event: SemanticEvent, properties: Any, found: list[Finding]) -> None:
    for prop in _required(event.name):
        if not isinstance(properties, dict) or properties.get(prop.name) is None:
            text = f"“{event.name}” has no {prop.name}."
            found.append(PROPERTY_MISSING.at(f"properties.{prop.name}", text, f"Add {prop.name}: {prop.about}"))


@cache
def _required(event: str) -> tuple[Property, ...]:
    return tuple(prop for prop in catalogue().events[event].properties.values() if prop.required)


def _check_types(values: dict[Any, Any], expected: Properties, path: str, found: list[Finding]) -> None:
    """Null stands for "not known" and has every type."""
    for name, value in values.items():
        prop = expected.get(name)
        if prop is None or value is None:
            continue
        if not fits(prop.type)(value):
            if not (name in MONEY and isinstance(value, str)):
                found.append(PROPERTY_TYPE.at(f"{path}.{name}", *_wrong(prop, value)))
        elif prop.fields and isinstance(value, dict):
            _check_types(value, prop.fields, f"{path}.{name}", found)
        elif prop.items and isinstance(value, list | tuple):
            for number, item in enumerate(value[:MAX_ITEMS]):
                if isinstance(item, dict):
                    _check_types(item, prop.items, f"{path}.{name}[{number}]", found)


def _check_reserved_traits(traits: Any, path: str, of_group: bool, found: list[Finding]) -> None:
    if not isinstance(traits, dict):
        return
    reserved = _traits_by_squeezed_name(of_group)
    for name, value in traits.items():
        prop = reserved.get(squeezed(name)) if isinstance(name, str) else None
        if prop is not None and value is not None and not fits(prop.type)(value):
            found.append(TRAIT_TYPE.at(f"{path}.{name}", *_wrong(prop, value)))


@cache
def _traits_by_squeezed_name(of_group: bool) -> Properties:
    """Segment takes traits in any casing: created_at is createdAt."""
    traits = catalogue().group_traits if of_group else catalogue().user_traits
    return {squeezed(name): prop for name, prop in traits.items()}


def squeezed(name: str) -> str:
    """The name without what separates its words: user_id, userID and User-Id are all userid."""
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


def _wrong(prop: Property, value: Any) -> tuple[str, str]:
    wanted = prop.type.replace("|", " or ")
    if prop.type == "date":
        return f"{prop.name} is not a date in ISO-8601.", "Send it like 2026-01-31 or 2026-01-31T09:30:00Z."
    return f"{prop.name} is a {named(value)}; the Spec has it as {wanted}.", f"Send {prop.name} as {wanted}."
