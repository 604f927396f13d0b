"""What this product sends to Segment, read off its mappings: each builds a call from a made-up activity."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from integrations.catalog.specimens import SpecimenError, specimen
from integrations.envelope import complete
from integrations.mappings.registry import REGISTRY, Mapping
from integrations.spec.calls import Call
from integrations.spec.catalogue import catalogue
from integrations.spec.json_types import named


@dataclass(frozen=True, slots=True)
class SentField:
    """A property, or a field of the context by its path. `always`: also when the product knows no more than it must."""

    name: str
    type: str
    about: str
    always: bool


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event of a mapping: `call` is the type of call, `example` the whole of one."""

    name: str
    call: str
    about: str
    properties: tuple[SentField, ...]
    context: tuple[SentField, ...]
    example: Call
    mapping: str


def sent_events(mappings: Iterable[Mapping] = REGISTRY) -> list[SentEvent]:
    """In the order of the registry. A mapping that cannot be tried is there with its name and the Spec's words."""
    return [_sent(mapping) for mapping in mappings]


def example_call(mapping: Mapping, *, sparse: bool = False) -> Call:
    """The call of a made-up activity, complete as it would be captured. Raises SpecimenError."""
    activity = specimen(mapping, sparse=sparse)
    try:
        return complete(mapping.build(activity))
    except Exception as error:
        # Perhaps it reads what no made-up text says.
        raise SpecimenError(f"{mapping.name} cannot be tried: {type(error).__name__}.") from error


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All values of nested objects with their paths; null counts as absent, as in Segment's own clients."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif path and value is not None:
        yield path, value


def _sent(mapping: Mapping) -> SentEvent:
    full, least = _tried(mapping)
    return SentEvent(
        name=mapping.event,
        call=full.get("type", "track"),
        about=mapping.about or _about_event(mapping.event),
        properties=tuple(_fields(mapping, "properties", full, least)),
        context=tuple(_fields(mapping, "context", full, least)),
        example=full,
        mapping=mapping.name,
    )


def _tried(mapping: Mapping) -> tuple[Call, Call]:
    try:
        return example_call(mapping), example_call(mapping, sparse=True)
    except SpecimenError:
        return {}, {}


def _fields(mapping: Mapping, part: str, full: Call, least: Call) -> Iterator[SentField]:
    always = {path for path, _ in leaves(least.get(part))}
    words = _context_words() if part == "context" else _property_words(mapping)
    for path, value in leaves(full.get(part)):
        yield SentField(path, named(value), words.get(path, ""), path in always)


def _about_event(name: str) -> str:
    event = catalogue().events.get(catalogue().variants.get(name, name))
    return event.about if event else ""


def _property_words(mapping: Mapping) -> dict[str, str]:
    event = catalogue().events.get(catalogue().variants.get(mapping.event, mapping.event))
    spec = {path: prop.about for path, prop in event.flat_properties()} if event else {}
    return {**spec, **mapping.properties}


def _context_words() -> dict[str, str]:
    spec = catalogue()
    return {
        **{name: field.about for name, field in spec.context.items()},
        **{f"traits.{name}": trait.about for name, trait in spec.user_traits.items()},
        settings.INTEGRATION_TOOL_ID_FIELD: f"The id that {settings.PRODUCT_NAME} itself has for the person.",
        "integration.name": "The slug of this integration.",
        "integration.version": "The version of this integration.",
    }
