"""The product's page for Segment's catalog, by the template for partners (templates/partners/source.md)."""

from typing import Final

from django.conf import settings

from integrations.catalog import places
from integrations.catalog.blocks import Block, Document, Heading, Steps, Text
from integrations.catalog.sent import SentEvent, sent_events
from integrations.catalog.tables import context_table, events_table, identification, properties_table

_CATALOG: Final = "https://app.segment.com/goto-my-workspace/sources/catalog"
_UTM: Final = "utm_source=segmentio&utm_medium=docs&utm_campaign=partners"
"""The template asks that it stays as it is."""


def source_page() -> Document:
    events = sent_events()
    blocks = (*_introduction(), *_getting_started(), *_stream(events), *_tables(events), *_destinations())
    return Document(f"{settings.PRODUCT_NAME} Source", blocks)


def support_link(text: str) -> str:
    return f"[{text}](mailto:{settings.SUPPORT_EMAIL})"


def _introduction() -> tuple[Block, ...]:
    name = settings.PRODUCT_NAME
    return (
        Text(_linked(settings.PRODUCT_DESCRIPTION)),
        Text(
            f"{name} is an [Event Cloud Source](/docs/sources/#event-cloud-sources): its events go to your Segment "
            "warehouse and to every destination that is enabled for the source."
        ),
        Text(f"{name} maintains this source. For help with it, {support_link(f'write to the {name} support team')}."),
    )


def _linked(description: str) -> str:
    """The description with the product's name in it, or before it, as a link to the product."""
    name = settings.PRODUCT_NAME
    product = f"[{name}]({settings.PRODUCT_URL}/?{_UTM})"
    return description.replace(name, product, 1) if name in description else f"{product}: {description}"


def _getting_started() -> tuple[Block, ...]:
    name = settings.PRODUCT_NAME
    return (
        Heading("Getting started"),
        Steps(
            (
                f"Open the [Sources catalog]({_CATALOG}) of your workspace and click **Add Source**.",
                f'Search for "{name}", select it, and click **Add Source** again.',
                (
                    "Name the source. Segment shows this name and derives the warehouse schema from it, so one that "
                    f"also says the environment, such as {settings.INTEGRATION_SLUG}_prod, keeps several sources apart."
                ),
                "Click **Add Source** to save it, and copy its write key.",
                f"Log in to {name} as an owner or admin and go to {places.way()}.",
                (
                    f"Paste the key as **{places.field_label('write_key')}**, choose the "
                    f"**{places.field_label('region')}**, and click **{places.CONNECT_BUTTON}**."
                ),
            )
        ),
        Heading("Regional Segment", 3),
        Text(
            f"{name} sends to workspaces in the United States (Oregon) and in Europe (Dublin). Events that are sent to "
            "the other region than the workspace's are lost, so choose the one the workspace was created in."
        ),
    )


def _stream(events: list[SentEvent]) -> tuple[Block, ...]:
    name = settings.PRODUCT_NAME
    calls = ", ".join(f"`{call}`" for call in dict.fromkeys(event.call for event in events))
    return (
        Heading("Stream"),
        Text(
            f"{name} streams events from its servers with these calls: {calls}. Any destination that takes events from "
            "servers can use them, and in a warehouse they can be queried with SQL."
        ),
        identification(),
    )


def _tables(events: list[SentEvent]) -> tuple[Block, ...]:
    name = settings.PRODUCT_NAME
    return (
        Heading("Events"),
        Text(f"{name} sends these events. Each is a table of its own in a warehouse. All carry a `userId`."),
        events_table(events),
        Heading("Event Properties"),
        Text("The events above have these properties."),
        properties_table(events),
        Heading("Context", 3),
        Text("Beside its properties an event carries these fields in its context."),
        context_table(events),
    )


def _destinations() -> tuple[Block, ...]:
    name = settings.PRODUCT_NAME
    return (
        Heading("Adding Destinations"),
        Text("With the source set up, connect the destinations that should get its events."),
        Text(
            "Look in the connected tools whether events and properties arrive. If they do not, open "
            "[Event Delivery](/docs/connections/event-delivery/) in Segment and the documentation of the destination."
        ),
        Text(f"If events reach Segment wrong or not at all, {support_link(f'write to the {name} support team')}."),
    )
