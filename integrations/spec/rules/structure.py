"""Which call it is, and whether its own fields have the shape that Segment takes."""

from typing import Any

from integrations.spec.codes import error, shown
from integrations.spec.findings import Finding
from integrations.spec.json_types import named

CALL_TYPES = ("identify", "track", "page", "screen", "group", "alias")

NOT_AN_OBJECT = error(
    "call_not_object",
    "The call is not a JSON object.",
    "Send one JSON object for each call.",
)
UNKNOWN_TYPE = error(
    "type_unknown",
    "type is missing, or is none of identify, track, page, screen, group and alias.",
    f"Set type to one of {', '.join(CALL_TYPES)}.",
)
EVENT_MISSING = error(
    "event_missing",
    "A track call has no event, or an empty one. Segment discards it (event_not_defined).",
    "Set event to the name of what happened, such as Email Opened.",
)
EVENT_NOT_STRING = error(
    "event_not_string",
    "The event of a track call is not a string. Segment discards it (event_not_string).",
    "Set event to a string.",
)
NAME_NOT_STRING = error(
    "name_not_string",
    "The name of a page or screen call is not a string, or is empty. Segment discards it (name_not_string).",
    "Leave name out, or set it to a string.",
)
CATEGORY_NOT_STRING = error(
    "category_not_string",
    "The category of a page or screen call is not a string, or is empty. Segment discards it (category_not_string).",
    "Leave category out, or set it to a string.",
)
NOT_OBJECT = {
    "properties": error(
        "properties_not_object",
        "properties is not an object. Segment discards the call (properties_not_object).",
        "Send properties as a JSON object.",
    ),
    "traits": error(
        "traits_not_object",
        "traits is not an object. Segment discards the call (traits_not_object).",
        "Send traits as a JSON object.",
    ),
    "context": error(
        "context_not_object",
        "context is not an object.",
        "Send context as a JSON object.",
    ),
    "integrations": error(
        "integrations_not_object",
        "integrations is not an object.",
        'Send integrations as a JSON object, such as {"All": true}.',
    ),
}
INTEGRATION_BAD = error(
    "integration_bad",
    "context.integration is there and is not an object with a name and a version, both strings that are not empty.",
    'Set it to {"name": the slug of the integration, "version": "1.0.0"}.',
)


def check_type(call: dict[Any, Any], found: list[Finding]) -> None:
    kind = call.get("type")
    if isinstance(kind, str) and kind in CALL_TYPES:
        return
    if kind is None:
        found.append(UNKNOWN_TYPE.at("type", "The call has no type."))
    elif not isinstance(kind, str):
        found.append(UNKNOWN_TYPE.at("type", f"type is of the type {named(kind)}, not a string."))
    else:
        meant = kind.strip().lower()
        remedy = f"Write {meant}." if meant in CALL_TYPES else ""
        found.append(UNKNOWN_TYPE.at("type", f"There is no call of the type “{shown(kind)}”.", remedy))


def check_event(call: dict[Any, Any], found: list[Finding]) -> None:
    if call.get("type") != "track":
        return
    event = call.get("event")
    if event is None:
        found.append(EVENT_MISSING.at("event", "The track call has no event."))
    elif not isinstance(event, str):
        found.append(EVENT_NOT_STRING.at("event", f"event is of the type {named(event)}, not a string."))
    elif not event.strip():
        found.append(EVENT_MISSING.at("event", "The name of the event is empty."))


def check_page(call: dict[Any, Any], found: list[Finding]) -> None:
    if call.get("type") not in ("page", "screen"):
        return
    for field, code in (("name", NAME_NOT_STRING), ("category", CATEGORY_NOT_STRING)):
        value = call.get(field)
        if value is None:
            continue
        if not isinstance(value, str):
            found.append(code.at(field, f"{field} is of the type {named(value)}, not a string."))
        elif not value.strip():
            found.append(code.at(field, f"{field} is empty."))


def check_objects(call: dict[Any, Any], found: list[Finding]) -> None:
    """An object that is null is taken for one that is absent, as Segment's own clients do."""
    for field, code in NOT_OBJECT.items():
        value = call.get(field)
        if value is not None and not isinstance(value, dict):
            found.append(code.at(field, f"{field} is of the type {named(value)}, not an object."))


def check_integration(call: dict[Any, Any], found: list[Finding]) -> None:
    """It may be absent: the product puts its own there at capture. partners/sources, "integration"."""
    context = call.get("context")
    if not isinstance(context, dict) or "integration" not in context:
        return
    integration = context["integration"]
    if not isinstance(integration, dict):
        text = f"context.integration is of the type {named(integration)}, not an object."
        found.append(INTEGRATION_BAD.at("context.integration", text))
        return
    for field in ("name", "version"):
        value = integration.get(field)
        if not isinstance(value, str) or not value.strip():
            text = f"context.integration has no {field} that is a string."
            found.append(INTEGRATION_BAD.at(f"context.integration.{field}", text))
