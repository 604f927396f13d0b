"""The product's own page for its customers: Segment asks a partner for it beside the one in the catalog."""

import json

from django.conf import settings

from integrations import trial
from integrations.catalog import places
from integrations.catalog.blocks import Block, Code, Document, Heading, Points, Steps, Text
from integrations.catalog.sent import SentEvent, sent_events
from integrations.catalog.source_page import support_link
from integrations.catalog.tables import context_table, events_table, identification, properties_table
from integrations.enums import Region
from integrations.spec.calls import Call


def help_page() -> Document:
    events = sent_events()
    blocks = (*_introduction(), *_connect(), *_verify(), *_regions(), *_events(events), *_troubleshooting())
    return Document(f"Send events from {settings.PRODUCT_NAME} to Segment", blocks)


def _introduction() -> tuple[Block, ...]:
    name = settings.PRODUCT_NAME
    return (
        Text(
            f"What happens in {name} becomes events in your Segment workspace, and goes on from there to every tool "
            "that you have connected to it. You need a Segment workspace and the role of owner or admin here."
        ),
    )


def _connect() -> tuple[Block, ...]:
    name = settings.PRODUCT_NAME
    return (
        Heading("Connect"),
        Steps(
            (
                (
                    f"In Segment open **Connections** > **Catalog** > **Sources**, add {name}, and copy the source's "
                    "**Write Key** from its **Settings** > **API Keys**."
                ),
                f"In {name} open {places.way()}.",
                (
                    f"Give the source a **{places.field_label('name')}**, paste the key as "
                    f"**{places.field_label('write_key')}**, choose the **{places.field_label('region')}**, and click "
                    f"**{places.CONNECT_BUTTON}**."
                ),
            )
        ),
        Text(
            "The key is stored encrypted and only its last four characters are ever shown again. You can connect "
            "several sources, one for each environment for instance: each gets every event."
        ),
    )


def _verify() -> tuple[Block, ...]:
    return (
        Heading("See that it works"),
        Text(
            "Segment accepts a wrong key without an error. So after connecting, and whenever the key or the region has "
            "changed, a test event proves that events arrive:"
        ),
        Steps(
            (
                "In Segment open the source and its **Debugger**, and leave it open.",
                f"Here click **{places.SEND_TEST_BUTTON}**. It is a `track` named `{trial.EVENT}`, about nobody.",
                (
                    f"In the Debugger click on it and find `{trial.PROPERTY}`: {trial.CODE_CHARACTERS} letters and "
                    "digits, others each time."
                ),
                (
                    f"Type the code here and click **{places.CONFIRM_BUTTON}**. The source is **Confirmed** from then "
                    f"on. If nothing shows up, **{places.NOT_SHOWING.label}** goes through the reasons."
                ),
            )
        ),
        Text(
            f"The source's page leads to **{places.EVENTS_AS_THEY_COME.label}**, with the state of each event. "
            "“Accepted” means that Segment's API took it. Only the Debugger shows that it arrived."
        ),
    )


def _regions() -> tuple[Block, ...]:
    return (
        Heading("Regions"),
        Text(f"A workspace keeps its data in one of two places: {' or '.join(map(str, Region.labels))}."),
        Text(
            "The region was fixed when the workspace was created. While you are in Segment, the address in your "
            "browser begins with `eu1.app.segment.com` for Europe and with `app.segment.com` for the United States. "
            f"It has to be the same here. **{places.CHANGE_REGION.label}** on the source's page corrects it for all "
            "that is sent from then on. What went to the wrong region cannot be brought back."
        ),
    )


def _events(events: list[SentEvent]) -> tuple[Block, ...]:
    example = next((event for event in events if event.example), None)
    shown = (Heading("An example", 3), Code(_pretty(example.example))) if example else ()
    return (
        Heading("Events"),
        Text("The names and properties are those of Segment's Spec wherever it has the event."),
        events_table(events),
        Heading("Properties", 3),
        properties_table(events),
        Heading("Context", 3),
        context_table(events),
        Heading("Who did it", 3),
        identification(),
        *shown,
    )


def _pretty(call: Call) -> str:
    return json.dumps(call, indent=2, ensure_ascii=False)


def _troubleshooting() -> tuple[Block, ...]:
    """The likely causes first."""
    answers = places.EVENTS_AS_THEY_COME.label
    return (
        Heading("When events do not arrive"),
        Text(f"Go through these in order. The first three look fine here: **{answers}** says “Accepted”."),
        Steps(
            (
                (
                    "**The write key is wrong.** Segment answers 200 to a key it does not know, and drops the "
                    "events. Compare the last four characters on the source's page with the key in Segment; "
                    f"**{places.REPLACE_KEY.label}** puts the right one in."
                ),
                (
                    "**The region is wrong.** Segment takes the events and nobody ever sees them. Compare with "
                    f"the address of Segment in your browser, then **{places.CHANGE_REGION.label}**."
                ),
                (
                    "**The source is disabled in Segment.** A disabled source drops what it gets. Enable it in its "
                    "settings there."
                ),
                f"**The source is paused here.** Its page says so. **{places.RESUME.label}** sends what has been kept.",
                (
                    f"**Events are refused.** A call that breaks Segment's rules never leaves. **{answers}** lists it "
                    f"under **{places.REFUSED}** with what to do; the usual reason is a person without an id of yours."
                ),
                (
                    "**Sending is held.** The source's page says why, for instance that Segment refuses the key, and "
                    "what helps."
                ),
            )
        ),
        Points(
            (
                "Segment cannot be reached: events are kept and sent again, with their own times.",
                f"Nothing of this helps: {support_link('write to us')} with the event's messageId, never with the key.",
            )
        ),
    )
