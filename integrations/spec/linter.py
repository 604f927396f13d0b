"""What is wrong with a call, found before it is sent. docs/spec.md lists every code and what decides it."""

from typing import Any

from integrations.spec.findings import Finding, Severity
from integrations.spec.json_types import named
from integrations.spec.limits import MAX_EVENT_BYTES
from integrations.spec.rules import identity, money, naming, placement, spec_types, structure, values
from integrations.spec.sound import is_sound

MAX_WARNINGS = 50
"""Warnings given for one call. Errors are few by their nature; names in another casing can be thousands."""

MAX_ERRORS = 50

_RULES = (
    structure.check_type,
    structure.check_event,
    structure.check_page,
    structure.check_objects,
    structure.check_integration,
    identity.check_person,
    identity.check_other_id,
    identity.check_message_id,
    identity.check_timestamps,
    placement.check_top,
    placement.check_context_names,
    naming.check_property_names,
    money.check_money,
    spec_types.check_properties,
    spec_types.check_traits,
    spec_types.check_context,
)


def lint(call: Any, *, size: int | None = None, category: str | None = None) -> list[Finding]:
    """All findings of `call`, errors first. The call may be any value at all.

    `size` is the length of the encoded call in bytes, when the caller knows it; `category` is the kind of tool that
    sends (`email`), which says what a name such as "Link Clicked" means. Pure: nothing is changed, read or raised.
    """
    if not isinstance(call, dict):
        return [structure.NOT_AN_OBJECT.at("", f"The call is of the type {named(call)}, not an object.")]
    found: list[Finding] = []
    values.check_size(size, found)
    values.check_values(call, found)
    for rule in _RULES:
        rule(call, found)
    naming.check_event_name(call, found, category)
    return _ordered(found) if found else found


def find_errors(call: dict[Any, Any], encoded: bytes, *, size: int) -> list[Finding]:
    """The errors that `lint` finds, much faster when there are none.

    `encoded` is what orjson made of the call, with its messageId or without; `size` is the length with it.
    """
    if size <= MAX_EVENT_BYTES and is_sound(call, encoded):
        return []
    return [finding for finding in lint(call, size=size) if finding.severity is Severity.ERROR]


def _ordered(found: list[Finding]) -> list[Finding]:
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    warnings = [finding for finding in found if finding.severity is Severity.WARNING]
    return errors[:MAX_ERRORS] + warnings[:MAX_WARNINGS]
