"""From domain signal to Spec call: one decorated function is one event.

    @maps(signals.email_opened, event="Email Opened")
    def email_opened(activity: EmailActivity) -> Call: ...

A mapping is pure: it takes the signal's `activity` and gives the call back. Who wants the call, whether it keeps to
the Spec and how it reaches Segment is not its business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.dispatch import Signal

from integrations.signals import EmailActivity
from integrations.spec.calls import Call

type_of_mapping = Callable[[EmailActivity], Call]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A signal, the Spec event that it becomes, and the function that builds the call."""

    signal: Signal
    event: str
    build: Callable[[Any], Call]


REGISTRY: list[Mapping] = []


def maps(signal: Signal, *, event: str) -> Callable[[type_of_mapping], type_of_mapping]:
    """Register the decorated function as the mapping of `signal` to the Spec event `event`."""

    def register(build: type_of_mapping) -> type_of_mapping:
        REGISTRY.append(Mapping(signal, event, build))
        return build

    return register
