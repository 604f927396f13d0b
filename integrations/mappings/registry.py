"""From domain signal to Spec call: one decorated function is one event.

    @maps(signals.email_opened, event="Email Opened")
    def email_opened(email: EmailActivity) -> Call: ...

A mapping is pure: it takes the signal's `activity` and gives the call back. Who wants the call, whether it keeps to
the Spec and how it reaches Segment is not its business. docs/mappings.md shows how to add one.
"""

from collections import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.dispatch import Signal

from integrations.spec.calls import Call

Activity = TypeVar("Activity")
Meanings = abc.Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A signal, the Spec event that it becomes, and the function that builds the call from the signal's activity.

    `about` and `properties` (meanings by name) are for the documents, where the Spec has no words of its own.
    """

    signal: Signal
    event: str
    build: Callable[[Any], Call]
    about: str = ""
    properties: Meanings = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """Where the function stands, for a person: `integrations.mappings.email.email_opened`."""
        return f"{self.build.__module__}.{self.build.__qualname__}"


REGISTRY: list[Mapping] = []


def maps(
    signal: Signal,
    *,
    event: str,
    about: str = "",
    properties: Meanings | None = None,
    registry: list[Mapping] = REGISTRY,
) -> Callable[[Callable[[Activity], Call]], Callable[[Activity], Call]]:
    """Register the decorated function as the mapping of `signal` to the Spec event `event`.

    An event that the Spec does not have needs words for the documents: `about`, and a meaning of each property.
    Raises ValueError when there is one already: the event would be sent twice.
    """

    def register(build: Callable[[Activity], Call]) -> Callable[[Activity], Call]:
        new = Mapping(signal, event, build, about, properties or {})
        for mapping in registry:
            if mapping.signal is signal and mapping.event == event:
                raise ValueError(f"{mapping.name} and {new.name} both map one signal to “{event}”. Remove one.")
        registry.append(new)
        return build

    return register
