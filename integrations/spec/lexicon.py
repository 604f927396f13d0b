"""Words, concepts and patterns of look-alikes, read from data/lookalikes.toml."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

from integrations.spec.catalogue import DATA, catalogue

Concepts = frozenset[str]
LONGEST_PHRASE = 4


@dataclass(frozen=True, slots=True)
class Lexicon:
    """`phrases` leads from words to their concept; `anywhere` and `within` from concepts to the event they mean."""

    phrases: Mapping[tuple[str, ...], str]
    vocabulary: frozenset[str]
    fillers: frozenset[str]
    beginnings: frozenset[str]
    endings: frozenset[str]
    anywhere: Mapping[Concepts, str]
    within: Mapping[str, Mapping[Concepts, str]]

    def event(self, concepts: Concepts, category: str | None) -> str | None:
        """The event that these concepts mean; the patterns of the tool's own category come first."""
        own = self.within.get(category, {}) if category else {}
        return own.get(concepts) or self.anywhere.get(concepts)

    def concepts(self, words: tuple[str, ...]) -> Concepts:
        """The concepts of the words, or nothing when one of them is not understood."""
        found = []
        at = 0
        while at < len(words):
            length = self._phrase_length(words, at)
            if length:
                found.append(self.phrases[words[at : at + length]])
            elif not self._adds_nothing(words, at):
                return frozenset()
            at += length or 1
        return frozenset(found)

    def _phrase_length(self, words: tuple[str, ...], at: int) -> int:
        for length in range(min(LONGEST_PHRASE, len(words) - at), 0, -1):
            if words[at : at + length] in self.phrases:
                return length
        return 0

    def _adds_nothing(self, words: tuple[str, ...], at: int) -> bool:
        word = words[at]
        return (
            word in self.fillers
            or word.isdecimal()
            or (at == 0 and len(words) > 1 and word in self.beginnings)
            or (at == len(words) - 1 and at > 0 and word in self.endings)
        )


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APPLE = re.compile(r"\bi(?:OS|Phone|Pad)")
_AB = re.compile(r"\ba\s*[/&_-]\s*b(?=[\s_-]|test)", re.IGNORECASE)
_NO_LETTERS = re.compile(r"[\W_]+")


def words_of(name: str) -> tuple[str, ...]:
    """`checkoutCompleted`, `CHECKOUT_COMPLETED` and `Checkout: completed!` are all ("checkout", "completed")."""
    text = _CAMEL.sub(" ", _AB.sub("ab", _APPLE.sub(lambda match: match[0].lower(), name)))
    return tuple(_NO_LETTERS.sub(" ", text).lower().split())


@cache
def lexicon() -> Lexicon:
    with (DATA / "lookalikes.toml").open("rb") as file:
        data = tomllib.load(file)
    phrases = dict(_phrases(data))
    fillers, beginnings, endings = (frozenset(data[name].split()) for name in ("fillers", "beginnings", "endings"))
    words = {word for phrase in phrases for word in phrase} | set(data["ordinary"]["words"].split())
    known = Lexicon(
        phrases=phrases,
        vocabulary=frozenset(words | fillers | beginnings | endings),
        fillers=fillers,
        beginnings=beginnings,
        endings=endings,
        anywhere=_patterns(data, "anywhere", None),
        within={category: _patterns(data, "within", category) for category in catalogue().categories},
    )
    # The Spec's own words are patterns too, and win: no other event may claim what an exact name says.
    own = {known.concepts(words_of(event)): event for event in catalogue().events}
    return replace(known, anywhere={**known.anywhere, **own})


def _phrases(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for concept, texts in data["words"].items():
        for text in _listed(texts):
            *before, last = text.split()
            yield from (((*before, form), concept) for form in (last, *_plurals(last)))
    # Verbs come second: where a form is both, as "orders", it is the verb that an event's name is about.
    irregular = {verb: forms.split() for verb, forms in data["irregular"].items()}
    single_forms = []
    for concept, texts in data["verbs"].items():
        for text in _listed(texts):
            first, *after = text.split()
            if first.startswith("!"):
                single_forms.append(((first[1:], *after), concept))
            else:
                yield from (((form, *after), concept) for form in {*_forms(first), *irregular.get(first, [])})
    # A form with a meaning of its own wins over the verb's: "playing" is a heartbeat, "play" a start.
    yield from single_forms


def _listed(texts: str) -> list[str]:
    return [" ".join(text.split()) for text in texts.split(",")]


def _plurals(noun: str) -> list[str]:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return [f"{noun[:-1]}ies"]
    return [f"{noun}es"] if noun.endswith(("s", "sh", "ch", "x", "o")) else [f"{noun}s"]


def _forms(verb: str) -> set[str]:
    """All regular forms. Some that no one writes ("openned") come out too, and do no harm."""
    doubled = verb + verb[-1]
    forms = {verb, f"{verb}ed", f"{verb}ing", f"{doubled}ed", f"{doubled}ing", *_plurals(verb)}
    if verb.endswith("e"):
        forms |= {f"{verb}d", f"{verb[:-1]}ing"}
    if verb.endswith("y"):
        forms |= {f"{verb[:-1]}ied"}
    return forms


def _patterns(data: dict[str, Any], kind: str, category: str | None) -> dict[Concepts, str]:
    """Concept sets to events. Raises ValueError on an unknown concept or a set that two events claim."""
    known = {*data["words"], *data["verbs"]}
    result: dict[Concepts, str] = {}
    for event, table in data["patterns"].items():
        if category not in (None, catalogue().events[event].category):
            continue
        for concepts in (found for text in table.get(kind, []) for found in _expanded(text)):
            if unknown := concepts - known:
                raise ValueError(f"The patterns of “{event}” use the unknown concepts {sorted(unknown)}.")
            if result.setdefault(concepts, event) != event:
                raise ValueError(f"“{event}” and “{result[concepts]}” both claim {sorted(concepts)}.")
    return result


def _expanded(pattern: str) -> Iterator[Concepts]:
    """`order|purchase make?` are the four sets with order or purchase, and make or nothing."""
    choices = [[*word.removesuffix("?").split("|"), *([""] if word.endswith("?") else [])] for word in pattern.split()]
    for choice in product(*choices):
        yield frozenset(filter(None, choice))
