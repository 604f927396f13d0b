"""Fields that stand in the wrong place or under a name that Segment does not know."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from integrations.spec.catalogue import catalogue
from integrations.spec.codes import shown, warning
from integrations.spec.findings import Finding
from integrations.spec.rules.spec_types import squeezed

MISNAMED = warning(
    "field_misnamed",
    "A field has the name of one of Segment's in another spelling, such as user_id, userID or user_agent.",
    "Use the exact name.",
)
MISPLACED = warning(
    "field_misplaced",
    "A field stands where Segment does not look for it, such as ip at the top or email in the context.",
    "Move the field.",
)
UNKNOWN = warning(
    "field_unknown",
    "There is a field at the top of the call that this call does not have.",
    "Put it into properties, traits or context.",
)
NOT_YOURS = warning(
    "field_set_by_sender",
    "The call carries writeKey or sentAt. The sender sets them anew with each request.",
    "Leave the field out.",
)

_OLD_NAMES = {"action": "type", "options": "context", "userproperties": "traits"}
_TOP_IN_CONTEXT = ("userId", "anonymousId", "messageId", "timestamp")
_PERSONAL = ("age", "avatar", "birthday", "email", "firstName", "gender", "lastName", "phone", "username")
"""Traits that are nothing else, wherever they stand; a `title` can be many things."""

_HOLDER = {"identify": "traits", "group": "traits"}


def check_top(call: dict[Any, Any], found: list[Finding]) -> None:
    kind = call.get("type")
    known = _known_fields(kind if isinstance(kind, str) and kind in catalogue().calls else None)
    for name in call:
        if name in known:
            if name in ("writeKey", "sentAt"):
                found.append(NOT_YOURS.at(name, f"{name} is set when the request is made."))
        elif isinstance(name, str):
            found.append(_stray(name, kind, known))


def check_context_names(call: dict[Any, Any], found: list[Finding]) -> None:
    """A name that the Spec does not have is allowed here: a tool puts its own id there."""
    context = call.get("context")
    if not isinstance(context, dict):
        return
    known = catalogue().context
    for name in context:
        if name in known or not isinstance(name, str):
            continue
        right = _by_squeezed_name("context").get(squeezed(name))
        if right is not None:
            found.append(_misnamed(f"context.{shown(name)}", name, f"context.{right}"))
        elif (top := _by_squeezed_name("top").get(squeezed(name))) is not None:
            found.append(_misplaced(f"context.{shown(name)}", name, f"{top}, at the top of the call"))
        elif name == "email":
            found.append(_misplaced("context.email", name, "context.traits.email"))


def _stray(name: str, kind: Any, known: frozenset[str]) -> Finding:
    key = squeezed(name)
    right = _OLD_NAMES.get(key) or _squeezed_names(known).get(key)
    if right is not None and right in known:
        return _misnamed(shown(name), name, right)
    in_context = _by_squeezed_name("context").get(key)
    if in_context is not None:
        return _misplaced(shown(name), name, f"context.{in_context}")
    holder = _HOLDER.get(kind, "properties") if isinstance(kind, str) else "properties"
    traits = "traits" if holder == "traits" else "context.traits"
    if name == "properties":
        return _misplaced(name, name, holder)
    if name == "traits":
        return _misplaced(name, name, traits)
    if (trait := _by_squeezed_name("traits").get(key)) is not None:
        return _misplaced(shown(name), name, f"{traits}.{trait}")
    text = f"A call of this type has no field “{shown(name)}”; Segment drops it."
    return UNKNOWN.at(shown(name), text, f"Put it into {holder}, or leave it out.")


def _misnamed(path: str, name: str, right: str) -> Finding:
    return MISNAMED.at(path, f"“{shown(name)}” is not a field of Segment's; {right} is.", f"Write {right}.")


def _misplaced(path: str, name: str, place: str) -> Finding:
    return MISPLACED.at(path, f"Segment does not look for “{shown(name)}” here.", f"Send it as {place}.")


@cache
def _known_fields(kind: str | None) -> frozenset[str]:
    """For a call of unknown type, the fields of all six: one mistake is enough."""
    spec = catalogue()
    calls = [spec.calls[kind]] if kind else spec.calls.values()
    return frozenset(spec.common_fields).union(*(call.fields for call in calls))


@cache
def _squeezed_names(names: frozenset[str]) -> Mapping[str, str]:
    return {squeezed(name): name for name in names}


@cache
def _by_squeezed_name(place: str) -> Mapping[str, str]:
    spec = catalogue()
    names = {"context": spec.context, "traits": _PERSONAL, "top": _TOP_IN_CONTEXT}[place]
    return {squeezed(name): name for name in names}
