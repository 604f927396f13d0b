"""The Segment Spec as data: read once from the files in data/, which are made to be read and edited by hand.

A file per category names its document in segmentio/segment-docs. `shared` sets of properties serve several events:
`include` takes them in, `items` says what the objects of an array hold and `fields` what an object holds.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
CATEGORY_FILES = ("ecommerce", "email", "mobile", "video", "live_chat", "ab_testing", "b2b_saas")


@dataclass(frozen=True, slots=True)
class Property:
    """A named value. `type` is one of string, number, integer, boolean, object, array and date, or several with `|`.

    `example_only`: the document shows it in an example and leaves it out of its table.
    """

    name: str
    type: str
    about: str
    required: bool = False
    example_only: bool = False
    items: Mapping[str, "Property"] = field(default_factory=dict)
    fields: Mapping[str, "Property"] = field(default_factory=dict)


Properties = Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class SemanticEvent:
    """An event whose name and properties the Spec fixes. `document` is its path in segmentio/segment-docs."""

    name: str
    category: str
    document: str
    about: str
    properties: Properties
    context: tuple[str, ...]
    variants: tuple[str, ...]

    def flat_properties(self) -> Iterator[tuple[str, Property]]:
        """All properties by path: `products.$.price` is the price of each product, as the documents write it."""
        for name, prop in self.properties.items():
            yield name, prop
            yield from ((f"{name}.$.{inner}", item) for inner, item in prop.items.items())
            yield from ((f"{name}.{inner}", item) for inner, item in prop.fields.items())


@dataclass(frozen=True, slots=True)
class SpecCall:
    """One of the six calls: its fields beside the common ones, and the reserved properties of any such call."""

    type: str
    document: str
    about: str
    fields: Properties
    properties: Properties


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The whole Spec. `events` is keyed by exact name, `variants` leads from another allowed name to the event's."""

    events: Mapping[str, SemanticEvent]
    variants: Mapping[str, str]
    categories: Mapping[str, str]
    calls: Mapping[str, SpecCall]
    common_fields: Properties
    context: Properties
    user_traits: Properties
    group_traits: Properties
    currencies: frozenset[str]


@cache
def catalogue() -> Catalogue:
    files = [_read(name) for name in CATEGORY_FILES]
    events = {event.name: event for data in files for event in _events(data)}
    calls, common, traits = _read("calls"), _read("common"), _read("traits")
    return Catalogue(
        events=events,
        variants={variant: event.name for event in events.values() for variant in event.variants},
        categories={data["category"]: data["title"] for data in files},
        calls={name: _call(name, table) for name, table in calls["calls"].items()},
        common_fields=_properties(common["fields"], {}),
        context=_properties(common["context"], {}),
        user_traits=_properties(traits["user"]["traits"], {}),
        group_traits=_properties(traits["group"]["traits"], {}),
        currencies=frozenset(_read("currencies")["codes"].split()),
    )


def category_named(text: str) -> str:
    """The category that `text` means in any spelling (`live_chat`). Raises ValueError that lists the known ones."""
    known = catalogue().categories
    wanted = _squeezed(text)
    for category, title in known.items():
        if wanted in {_squeezed(category), _squeezed(title)}:
            return category
    raise ValueError(f"There is no category {text!r}. Use one of {', '.join(sorted(known))}.")


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _read(name: str) -> dict[str, Any]:
    with (DATA / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def _events(data: dict[str, Any]) -> Iterator[SemanticEvent]:
    shared = data.get("shared", {})
    for table in data["events"]:
        own = {name: value for part in table.get("include", []) for name, value in shared[part].items()}
        yield SemanticEvent(
            name=table["name"],
            category=data["category"],
            document=data["document"],
            about=table["about"],
            properties=_properties(own | table.get("properties", {}), shared),
            context=tuple(table.get("context", [])),
            variants=tuple(table.get("variants", [])),
        )


def _call(name: str, table: dict[str, Any]) -> SpecCall:
    return SpecCall(
        type=name,
        document=table["document"],
        about=table["about"],
        fields=_properties(table["fields"], {}),
        properties=_properties(table.get("properties", {}), {}),
    )


def _properties(table: dict[str, Any], shared: dict[str, Any]) -> dict[str, Property]:
    return {name: _property(name, value, shared) for name, value in table.items()}


def _property(name: str, value: dict[str, Any], shared: dict[str, Any]) -> Property:
    inner = {key: _properties(shared[value[key]], shared) for key in ("items", "fields") if key in value}
    return Property(
        name=name,
        type=value["type"],
        about=value["about"],
        required=value.get("required", False),
        example_only=value.get("example_only", False),
        **inner,
    )
