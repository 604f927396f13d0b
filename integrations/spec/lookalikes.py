"""Whether an event's name means an event of the Spec that is called something else.

The words of a name stand for concepts (data/lookalikes.toml); the set of concepts either is one of the patterns of an
event or it is not. Tense, casing, word order and synonyms disappear on the way, and a word that is not understood makes
the name one of its own. So "Purchase", "Transaction Complete" and "order_placed" are found, and "Work Order Completed"
is left alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

from integrations.spec.catalogue import catalogue
from integrations.spec.lexicon import Concepts, Lexicon, lexicon, words_of

MAX_CHARACTERS = 200
"""Longer names are not looked at: no event of the Spec is longer than 31 characters."""


class Verdict(StrEnum):
    """`SPEC` is an exact name of the Spec, `LOOKALIKE` means one and is called otherwise, `OK` is a name of its own."""

    OK = "ok"
    LOOKALIKE = "lookalike"
    SPEC = "spec"


@dataclass(frozen=True, slots=True)
class NameVerdict:
    """`spec` is the name that the Spec has for it, or None."""

    name: str
    verdict: Verdict
    spec: str | None
    reason: str


@lru_cache(maxsize=4096)
def match_name(name: str, category: str | None = None) -> NameVerdict:
    """What the Spec says of an event's name. `category`, a key of the catalogue, is the kind of tool that sends it."""
    spec = catalogue()
    if name in spec.events:
        return NameVerdict(name, Verdict.SPEC, name, f"“{name}” is an event of the Spec.")
    if name in spec.variants:
        event = spec.variants[name]
        return NameVerdict(name, Verdict.SPEC, event, f"The Spec allows “{name}” for “{event}”.")
    if len(name) > MAX_CHARACTERS:
        return NameVerdict(name, Verdict.OK, None, "The name is too long to be one of the Spec's.")
    same = _names_by_letters().get(_letters(name))
    if same is not None:
        return NameVerdict(name, Verdict.LOOKALIKE, same, f"This is “{same}” in another spelling.")
    event_meant = _meant(name, category)
    if event_meant is None:
        return NameVerdict(name, Verdict.OK, None, "The Spec has no event of this meaning.")
    return NameVerdict(name, Verdict.LOOKALIKE, event_meant, f"This means what the Spec calls “{event_meant}”.")


@cache
def _names_by_letters() -> dict[str, str]:
    spec = catalogue()
    return {_letters(name): spec.variants.get(name, name) for name in (*spec.events, *spec.variants)}


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _meant(name: str, category: str | None) -> str | None:
    known = lexicon()
    words = words_of(name)
    event = _event_of(known, words, category)
    if event is None:
        for repaired in _repaired(known, words):
            event = event or _event_of(known, repaired, category)
    return event


def _event_of(known: Lexicon, words: tuple[str, ...], category: str | None) -> str | None:
    for concepts in _readings(known.concepts(words)):
        event = known.event(concepts, category)
        if event is not None:
            return event
    return None


def _readings(concepts: Concepts) -> Iterator[Concepts]:
    """With the person and without ("Account Added User", "User Opened Email"); a success completes, or says nothing.

    The audience of a tool is no user of it: "Subscriber Added" and "Contact Created" are names of their own.
    """
    readings = [concepts]
    if "success" in concepts:
        readings = [concepts - {"success"} | {"complete"}, concepts - {"success"}]
    for reading in readings:
        yield reading
        yield reading - {"user", "audience"}


_SHORTEST_TYPO = 6
_DOERS = ("er", "ers", "or", "ors")
"""A reviewer is no mistyped "reviewed"."""


def _repaired(known: Lexicon, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words with a typing mistake undone, if one long word is unknown: a letter more, less, other, or swapped."""
    unknown = [at for at, word in enumerate(words) if word not in known.vocabulary]
    if len(unknown) != 1:
        return
    at = unknown[0]
    if len(words[at]) < _SHORTEST_TYPO or words[at].endswith(_DOERS):
        return
    for word in known.vocabulary:
        if len(word) >= _SHORTEST_TYPO and word[0] == words[at][0] and _one_slip_apart(word, words[at]):
            yield (*words[:at], word, *words[at + 1 :])


def _one_slip_apart(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, other_rest = one[start:], other[start:]
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return rest[1:] == other_rest[1:] or rest[1:] == other_rest or rest == other_rest[1:] or swapped == other_rest
