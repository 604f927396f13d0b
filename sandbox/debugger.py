"""What arrived, by write key: JSON for programs, and the addresses of the pages for people (sandbox/pages.py)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from sandbox import answers, pages
from sandbox.answers import Answer
from sandbox.keys import fingerprint, masked
from sandbox.store import Entry, State, Store
from sandbox.workspace import REGIONS


def answer(store: Store, target: str, key: str | None) -> Answer:
    """`key` is the one of the Basic header: whoever has it may read what was sent with it."""
    url = urlsplit(target)
    if url.path == "/debugger.css":
        return answers.as_text(pages.STYLE, "text/css")
    if url.path == "/":
        query = parse_qs(url.query, keep_blank_values=True)
        return answers.as_text(pages.page(store, pages.View.from_query(query)), "text/html")
    region = url.path.split("/")[1]
    if region not in REGIONS:
        return answers.refusal(404, "not found")
    if key is None:
        return answers.as_json([summary for summary in key_summaries(store) if summary["region"] == region])
    return answers.as_json([shown(entry) for entry in store.of_key(region, key)])


def key_summaries(store: Store) -> list[dict[str, Any]]:
    return [
        {"region": region, "key": masked(key), "key_id": fingerprint(key)}
        | {"requests": counts.requests, "most_in_a_second": counts.most_in_a_second}
        | {state.value: counts.states[state] for state in State}
        for (region, key), counts in store.counts.items()
    ]


def shown(entry: Entry) -> dict[str, Any]:
    return {
        "call": orjson.loads(entry.call),
        "state": entry.state,
        "reason": entry.reason,
        "received_at": entry.received_at.isoformat(),
        "timestamp": entry.corrected,
        "message_id": entry.message_id,
        "request": entry.request,
    }
