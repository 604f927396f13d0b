"""The parts that both documents have: what is sent, and who a person is."""

from collections.abc import Iterable, Iterator

from django.conf import settings

from integrations.catalog.blocks import Table, Text
from integrations.catalog.sent import SentEvent, SentField


def events_table(events: Iterable[SentEvent]) -> Table:
    return Table(("Event Name", "Description"), tuple((event.name, event.about) for event in events))


def properties_table(events: Iterable[SentEvent]) -> Table:
    """Each property once, with the events that have it."""
    rows = _rows([(event.name, event.properties) for event in events], "")
    return Table(("Property Name", "Type", "Description", "Events"), rows)


def context_table(events: Iterable[SentEvent]) -> Table:
    rows = _rows([(event.name, event.context) for event in events], "context.")
    return Table(("Field", "Type", "Description", "Events"), rows)


def identification() -> Text:
    name = settings.PRODUCT_NAME
    return Text(
        f"`userId` is the id that the person has in your own database, as you gave it to {name}. It is never an "
        f"email address and never an id of {name}'s: the address is sent as `context.traits.email`, and the id of "
        f"{name} as `context.{settings.INTEGRATION_TOOL_ID_FIELD}`. What happens to a person whose id {name} does not "
        "know is not sent."
    )


def _rows(events: list[tuple[str, tuple[SentField, ...]]], prefix: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (f"`{prefix}{field.name}`", field.type, _meaning(field), _owners(field.name, events))
        for field in _once(field for _, fields in events for field in fields)
    )


def _once(fields: Iterable[SentField]) -> Iterator[SentField]:
    """By name; a field that one event has always and another has not is sent where known."""
    found: dict[str, SentField] = {}
    for field in fields:
        if field.name not in found or not field.always:
            found[field.name] = field
    yield from found.values()


def _meaning(field: SentField) -> str:
    return field.about if field.always else f"{field.about} Sent where known.".lstrip()


def _owners(name: str, events: list[tuple[str, tuple[SentField, ...]]]) -> str:
    owners = [event for event, fields in events if any(field.name == name for field in fields)]
    return "All" if len(owners) == len(events) else ", ".join(owners)
