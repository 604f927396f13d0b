"""Events that come by HTTP, as Segment's libraries send them."""

import base64
from typing import Final
from uuid import uuid4

import orjson

from benchmarks import cast
from benchmarks.bench import Bench
from benchmarks.events import typical_call
from benchmarks.measured import BenchmarkError, Measured
from benchmarks.web import CLIENTS, seconds_for, web
from delivery.models import Event
from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose
from tenants.scoping import every_tenant

EVENTS: Final = 60_000
A_BATCH: Final = 100


def ingest(bench: Bench) -> Measured:
    """Batches of 100, encoded before the clock starts, through the web server; then through one that only parses."""
    [source] = cast.new_sources(1)
    _, key = issue_api_key(source.tenant, KeyPurpose.INGEST, name="Benchmark", by=None)
    bodies = [_body(number) for number in range(bench.size(EVENTS // A_BATCH, at_least=CLIENTS))]
    headers = {
        "Authorization": "Basic " + base64.b64encode(f"{key.reveal()}:".encode()).decode(),
        "Content-Type": "application/json",
    }
    detail = {}
    for name, app in (("events_per_second", "config.wsgi"), ("bare_events_per_second", "benchmarks.bare")):
        bench.say(f"{len(bodies) * A_BATCH:,} events posted to {app}")
        with web(bench.servers.folder, app) as port:
            seconds_for(port, [_body(0) for _ in range(4 * CLIENTS)], headers)
            detail[name] = len(bodies) * A_BATCH / seconds_for(port, bodies, headers)
    with every_tenant():
        stored = Event.objects.filter(source=source).count()
    if stored != (len(bodies) + 4 * CLIENTS) * A_BATCH:
        raise BenchmarkError(f"{stored:,} events are in the log, not those that were posted.")
    rate = detail["events_per_second"]
    return Measured(rate, rate >= 8_000, detail)


def _body(number: int) -> bytes:
    """A batch as segment-analytics-python makes it: each call with an id, a time and its library.

    But for `sentAt`, which the library sets as it posts: one made beforehand would look like a wrong clock.
    """
    calls = (typical_call(number * A_BATCH + each) for each in range(A_BATCH))
    library = {"name": "analytics-python", "version": "2.4.0"}
    batch = [
        {
            **call,
            "context": {**call["context"], "library": library},
            "messageId": str(uuid4()),
            "timestamp": "2026-01-31T09:30:00.000Z",
            "integrations": {},
        }
        for call in calls
    ]
    return orjson.dumps({"batch": batch, "writeKey": "the one of the header"})
