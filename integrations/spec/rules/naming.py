"""How events and properties are called: events in Proper Case, properties in snake_case. partners/sources, naming."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from integrations.spec.codes import shown, warning
from integrations.spec.findings import Finding
from integrations.spec.lookalikes import Verdict, match_name
from integrations.spec.rules.spec_types import semantic_event

LOOKALIKE = warning(
    "lookalike",
    "The event means one of the Spec and is called something else. Segment's reviewers reject it.",
    "Use the Spec's name.",
)
EVENT_CASING = warning(
    "event_casing",
    "The event's name is not in Proper Case.",
    "Begin each word with a capital and put single spaces between words.",
)
EVENT_DYNAMIC = warning(
    "event_name_dynamic",
    "The event's name holds an id, a date, an address or a placeholder, so that each occurrence becomes an event.",
    "Move what varies into a property.",
)
PROPERTY_CASING = warning(
    "property_casing",
    "A property's name is not in snake_case.",
    "Write it in lower case with underscores between words.",
)

_SMALL_WORDS = frozenset(
    {"a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "nor", "of", "off", "on", "onto", "or", "out"}
    | {"over", "per", "the", "to", "up", "via", "vs", "with"}
)
_SNAKE = re.compile(r"\$?[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DYNAMIC = re.compile(
    r"[^@\s]+@[^@\s]+\.\w+"
    r"|https?://"
    r"|\d{4,}"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}"
    r"|#\s?\d+"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-"
    r"|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b"
    r"|\$\{|\{\{|%[sd]\b|<%|\{\w*\}",
    re.IGNORECASE,
)
_LONGEST_NAME = 500
"""No more of a name is looked at, so that what the caches below remember stays small."""
_MAX_PROPERTIES_SEEN = 1_000


def check_event_name(call: dict[Any, Any], found: list[Finding], category: str | None) -> None:
    name = call.get("event")
    if call.get("type") == "track" and isinstance(name, str) and name.strip():
        found.extend(_name_findings(name[:_LONGEST_NAME], category))


def check_property_names(call: dict[Any, Any], found: list[Finding]) -> None:
    properties = call.get("properties")
    if not isinstance(properties, dict) or call.get("type") not in ("track", "page", "screen"):
        return
    event = semantic_event(call)
    allowed = event.properties if event is not None else {}
    for name, path in _bad_names(properties):
        if name not in allowed:
            found.append(
                PROPERTY_CASING.at(path, f"“{shown(name)}” is not in snake_case.", f"Write {snake_case(name)}.")
            )


@lru_cache(maxsize=4096)
def _name_findings(name: str, category: str | None) -> tuple[Finding, ...]:
    """Cached: a source has a few dozen names, and finding what one means takes longer than all the rest."""
    verdict = match_name(name, category)
    if verdict.verdict is Verdict.SPEC:
        return ()
    findings = []
    if verdict.verdict is Verdict.LOOKALIKE:
        findings.append(LOOKALIKE.at("event", verdict.reason, f"Call it “{verdict.spec}”."))
    elif not is_proper_case(name):
        findings.append(EVENT_CASING.at("event", f"“{shown(name)}” is not in Proper Case."))
    if _DYNAMIC.search(name):
        findings.append(EVENT_DYNAMIC.at("event", f"“{shown(name)}” holds something that varies."))
    return tuple(findings)


def is_proper_case(name: str) -> bool:
    """Each word with a capital first, small words like "to" apart. Scripts without capitals are always right."""
    words = name.split(" ")
    if any(not word or "_" in word for word in words) or (len(name) > 3 and name.isupper() and " " in name):  # noqa: PLR2004  # longer than an acronym
        return False
    first, *others = words
    if not _begins_well(first) or (not others and _BOUNDARY.search(first)):
        return False
    return all(word in _SMALL_WORDS or _begins_well(word) for word in others)


def _begins_well(word: str) -> bool:
    return not word[0].islower() or word[1:2].isupper()


@lru_cache(maxsize=8192)
def is_snake_case(name: str) -> bool:
    return _SNAKE.fullmatch(name) is not None or (not name.isascii() and name.islower() and name.isidentifier())


def snake_case(name: str) -> str:
    """The name in snake_case, as a proposal."""
    words = re.split(r"[\W_]+", _BOUNDARY.sub("_", shown(name)))
    return "_".join(word.lower() for word in words if word) or "a_name_in_snake_case"


def _bad_names(properties: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    """Each wrong name once, with its first path; nested objects and the objects in arrays included."""
    waiting: list[tuple[Any, str]] = [(properties, "properties")]
    reported: set[str] = set()
    seen = 0
    while waiting and seen < _MAX_PROPERTIES_SEEN:
        container, path = waiting.pop()
        seen += 1 + len(container)
        if not isinstance(container, dict):
            waiting += [(item, f"{path}[{at}]") for at, item in enumerate(container[:100]) if isinstance(item, dict)]
            continue
        for name, value in container.items():
            if not isinstance(name, str):
                continue
            if not is_snake_case(name[:_LONGEST_NAME]) and name not in reported:
                reported.add(name)
                yield name, f"{path}.{shown(name)}"
            if isinstance(value, dict | list | tuple):
                waiting.append((value, f"{path}.{shown(name)}"))
