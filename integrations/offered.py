"""The events and properties that a page offers to switch off, and what a form that comes back says of them.

A form names what it offered: what it did not offer, such as an event that is new since, stays as it was. What it did
offer counts although the newest events do not have it any more: a busy source has others within the minute.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.http import QueryDict

from integrations.catalog.sent import SentField, sent_events
from integrations.enums import PropertyRule
from integrations.property_rules import properties_of

OFFERED = "offered"
EVENTS = "events"
RULE = "rule:"
"""Before the property's name, in the name of its field."""

KEEP = "keep"

MAX_NAME_CHARACTERS: Final = 200

_COMES_BACK: Final = re.compile(rf"[^\0\r\n]{{0,{MAX_NAME_CHARACTERS}}}")
"""A name as it was offered: a browser sends each line break as two characters. PostgreSQL takes no null character."""


@dataclass(frozen=True, slots=True)
class OfferedEvent:
    """`example` is the JSON of a call, empty for an event that only the tenant's own programs send."""

    name: str
    about: str
    properties: tuple[SentField, ...]
    example: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class OfferedProperty:
    name: str
    rule: str


def offered_events(off: Collection[str] = (), lately: Iterable[str] = ()) -> list[OfferedEvent]:
    """This product's events, then those of these names that it does not send itself."""
    sent = sent_events()
    own = [
        OfferedEvent(event.name, event.about, event.properties, _pretty(event.example), event.name not in off)
        for event in sent
    ]
    others = sorted({*lately, *off} - {event.name for event in sent})
    return own + [OfferedEvent(name, "Sent by your own programs.", (), "", name not in off) for name in others]


def offered_properties(rules: Mapping[str, str], lately: Iterable[str] = ()) -> list[OfferedProperty]:
    """Each property of this product's events, of these names, and of the rules."""
    own = {name for event in sent_events() for name in properties_of(event.example)}
    return [OfferedProperty(name, rules.get(name, KEEP)) for name in sorted({*own, *lately, *rules})]


def posted_events(data: QueryDict) -> set[str]:
    """The events that the form offered."""
    return set(filter(_COMES_BACK.fullmatch, data.getlist(OFFERED)))


def posted_properties(data: QueryDict) -> set[str]:
    """The properties that the form offered."""
    return set(filter(_COMES_BACK.fullmatch, (key.removeprefix(RULE) for key in data if key.startswith(RULE))))


def switched_off(data: QueryDict, known: Iterable[str], before: Collection[str] = ()) -> list[str]:
    """Of the known events those that came back unticked, and those that were off and not offered."""
    offered = set(data.getlist(OFFERED)).intersection(known)
    return sorted((set(before) - offered) | (offered - set(data.getlist(EVENTS))))


def chosen_rules(data: QueryDict, known: Iterable[str], before: Mapping[str, str]) -> dict[str, PropertyRule]:
    """The rules by the name of the property: those that came back, and those from before that did not."""
    chosen = {name: data.get(f"{RULE}{name}", before.get(name, KEEP)) for name in known}
    return {name: PropertyRule(rule) for name, rule in chosen.items() if rule in PropertyRule.values}


def _pretty(call: object) -> str:
    return json.dumps(call, indent=2, ensure_ascii=False) if call else ""
