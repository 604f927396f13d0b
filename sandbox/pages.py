"""The debugger page: plain HTML that works without JavaScript. It renews itself; paused, events open in place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import orjson

from sandbox.keys import fingerprint, masked
from sandbox.store import Entry, KeyCounts, State, Store

STYLE = (Path(__file__).parent / "debugger.css").read_text()
NEWEST_OF_EACH = 25
NEWEST_OF_ONE = 500
REGION_NAMES = {"us": "United States", "eu": "Europe"}


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for: one key (by its fingerprint) or all, paused or live, one event open."""

    key_id: str = ""
    region: str = ""
    opened: str = ""
    paused: bool = False

    @classmethod
    def from_query(cls, query: dict[str, list[str]]) -> "View":
        first = {name: values[0] for name, values in query.items()}
        region = first.get("region", "")
        return cls(first.get("key", ""), region, first.get("open", ""), "pause" in first or "open" in first)

    def shows(self, region: str, key: str) -> bool:
        return not self.key_id or (fingerprint(key) == self.key_id and self.region in ("", region))

    def address(self, **changes: str) -> str:
        parts = {"key": self.key_id, "region": self.region} | changes
        query = "&amp;".join(f"{escape(name)}={escape(value)}" for name, value in parts.items() if value)
        return f"/?{query}" if query else "/"


def page(store: Store, view: View) -> str:
    groups = "".join(_groups(store, view)) or _empty(view)
    refresh = "" if view.paused else '<meta http-equiv="refresh" content="2">'
    switch = (
        f'<a class="button" href="{view.address()}">Resume</a>'
        if view.paused
        else f'<a class="button" href="{view.address(pause="1")}">Pause</a>'
    )
    back = '<a class="button" href="/">All write keys</a>' if view.key_id else ""
    live = (
        '<span class="live off">Paused</span>' if view.paused else '<span class="live">Live, renewed every 2 s</span>'
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<title>Debugger: Segment stand-in</title><link rel="stylesheet" href="/debugger.css"></head>
<body><header><div><h1>Segment stand-in</h1><p>What arrived, by write key. Nothing here goes to Segment.</p></div>
<nav>{live}{back}{switch}</nav></header>
<main>{groups}</main></body></html>"""


def _empty(view: View) -> str:
    text = "Nothing has arrived with this write key." if view.key_id else "Nothing has arrived yet."
    return f"""<section class="empty"><h2>{text}</h2>
<p>Send a call to <code>/us/v1/batch</code> or <code>/eu/v1/batch</code> of this address; it appears here.</p>
</section>"""


def _groups(store: Store, view: View) -> Iterator[str]:
    wanted = {pair: counts for pair, counts in store.counts.items() if view.shows(*pair)}
    newest: dict[tuple[str, str], list[Entry]] = {pair: [] for pair in wanted}
    most = NEWEST_OF_ONE if view.key_id else NEWEST_OF_EACH
    for entry in reversed(store.entries):
        rows = newest.get((entry.region, entry.key))
        if rows is not None and len(rows) < most:
            rows.append(entry)
    # The key that was heard of last comes first; keys that only have counts come after those with events.
    for pair in sorted(wanted, key=lambda pair: -(newest[pair][0].number if newest[pair] else 0)):
        yield _group(*pair, wanted[pair], newest[pair], view)


def _group(region: str, key: str, counts: KeyCounts, entries: list[Entry], view: View) -> str:
    address = View(fingerprint(key), region).address(pause="1" if view.paused else "")
    seen = sum(counts.states[state] for state in State if state is not State.LOST)
    more = f'<p class="more"><a href="{address}">More of this write key</a> ({seen} in all)</p>'
    lost = '<p class="more">Lost: this write key belongs to the other region, so nothing was stored.</p>'
    rows = "".join(_row(entry, view) for entry in entries)
    return f"""<section class="card"><div class="card-head">
<h2><span class="region {region}">{region.upper()}</span> <span class="muted">{REGION_NAMES[region]}</span>
<a href="{address}"><code>{escape(masked(key))}</code> <code class="muted">{fingerprint(key)}</code></a></h2>
<p class="counts">{_counts(counts)}</p></div>
{rows}{more if seen > len(entries) else ""}{lost if counts.states[State.LOST] else ""}</section>"""


def _counts(counts: KeyCounts) -> str:
    numbers: Iterable[tuple[str, int]] = [(state.value, counts.states[state]) for state in State]
    shown = [f'<span class="state {name}">{number} {name}</span>' for name, number in numbers if number]
    requests = "1 request" if counts.requests == 1 else f"{counts.requests} requests"
    return " ".join(shown) + f' <span class="muted">in {requests}</span>'


def _row(entry: Entry, view: View) -> str:
    call = orjson.loads(entry.call)
    line = _line(entry, call if isinstance(call, dict) else {})
    if not view.paused:
        # A page that renews itself would close what was opened: a live row leads to the paused page instead.
        return f'<a class="row" href="{view.address(open=str(entry.number))}#e{entry.number}">{line}</a>'
    opened = " open" if str(entry.number) == view.opened else ""
    pretty = escape(orjson.dumps(call, option=orjson.OPT_INDENT_2).decode())
    corrected = f" · timestamp by Segment's clock {escape(entry.corrected)}" if entry.corrected else ""
    return f"""<details id="e{entry.number}"{opened}><summary class="row">{line}</summary>
<p class="facts">Request {entry.request}{corrected}</p><pre>{pretty}</pre></details>"""


def _line(entry: Entry, call: dict[str, Any]) -> str:
    kind = str(call.get("type", ""))
    name = str(call.get("event") or call.get("name") or call.get("groupId") or kind.capitalize() or "No call")
    who = str(call.get("userId") or call.get("anonymousId") or "")
    state = f"{entry.state}: {entry.reason}" if entry.reason else entry.state.value
    return (
        f'<span class="kind">{escape(kind)}</span><span class="name">{escape(name)}</span>'
        f'<span class="who">{escape(who)}</span><span class="state {entry.state}">{escape(state)}</span>'
        f"<time>{entry.received_at:%H:%M:%S}</time>"
    )
