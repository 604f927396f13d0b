"""One event: its call, where it stands, and each request that carried it."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from delivery.holding import holds
from delivery.models import Attempt, Batch, Event
from delivery.pages.events import Row, is_stopped, row_of
from integrations.models import Source

MOST_ATTEMPTS: Final = 50
"""Of an event that was tried for days, the newest."""
LARGEST_ID: Final = 2**63 - 1
"""PostgreSQL cannot even look for a larger one among the ids of a batch."""


@dataclass(frozen=True, slots=True)
class Story:
    """`row` is None when the log has the event no more, and its batches tell that it was there."""

    row: Row | None
    batches: list[Batch]
    attempts: list[Attempt]


def story_of(source: Source, event_id: int) -> Story | None:
    """None when nothing that is kept tells of such an event of the source. At most four queries, in the scope."""
    if event_id > LARGEST_ID:
        return None
    event = Event.objects.filter(source=source, pk=event_id).first()
    # Its other events are not shown, and may be thousands.
    batches = Batch.objects.filter(holds(source.pk, event_id)).defer("event_ids").order_by("pk")
    found = list(batches)
    if event is None and not found:
        return None
    attempts = Attempt.objects.filter(batch__in=[batch.pk for batch in found]).order_by("-pk")[:MOST_ATTEMPTS]
    row = row_of(event, found[-1] if found else None, stopped=is_stopped(source, found[-1:])) if event else None
    return Story(row, found, list(attempts) if found else [])


_TOKEN: Final = re.compile(
    r"""(?P<name>"(?:[^"\\]|\\.)*")(?=:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>-?\d[^\s,\]}]*|true|false|null)"""
)


def pretty(text: str) -> str:
    """JSON with a line for each value. Not by orjson, which has no whole numbers beyond 64 bits."""
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False)


def readable(text: str) -> str:
    """Highlighted with a line for each value; as it is when it was cut off, or was never JSON."""
    try:
        return highlighted(pretty(text))
    except (ValueError, RecursionError):
        return text


def highlighted(text: str) -> SafeString:
    """JSON as HTML: names, texts and other values in spans with classes of their own."""
    return format_html_join("", "{}", ((piece,) for piece in _pieces(text)))


def _pieces(text: str) -> Iterator[str]:
    end = 0
    for token in _TOKEN.finditer(text):
        yield text[end : token.start()]
        yield format_html('<span class="json-{}">{}</span>', token.lastgroup, token.group())
        end = token.end()
    yield text[end:]


def curl(source: Source, event: Event) -> str:
    """The request that sends this one event, for a shell. The write key is left to a variable of the shell's."""
    address = f"{settings.SEGMENT_URLS[source.region]}/{event.type}"
    return " \\\n  ".join(
        [
            f"curl {shlex.quote(address)}",
            '--user "$SEGMENT_WRITE_KEY:"',
            "--header 'Content-Type: application/json'",
            f"--data-raw {shlex.quote(event.payload)}",
        ]
    )
