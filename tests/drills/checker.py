"""The checker that ends each drill: nothing lost, nothing twice without a reason, nobody else touched, no key told.

Captured events = accepted + quarantined, set aside or discarded + waiting, each in one place only. What arrived at the
stand-in is compared with what the log says, event by event. It reads tables and files, and shares no code with the
engine.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise, product
from typing import Any

from tests.drills.world import Customer, World

PLACES = """
SELECT event_id, 'pending' FROM delivery_pending WHERE source_id = %(source)s
UNION ALL SELECT unnest(event_ids), state FROM delivery_batch WHERE source_id = %(source)s
    AND state NOT IN ('split', 'replayed') AND NOT again
"""

# The events of a split or replayed batch are in newer ones; accepted ones that are sent again are in theirs already.

REQUESTS = """
SELECT unnest(batch.event_ids), attempt.outcome, attempt.ambiguous, attempt.started_at, attempt.finished_at
FROM delivery_attempt AS attempt JOIN delivery_batch AS batch ON batch.id = attempt.batch_id
WHERE attempt.source_id = %(source)s ORDER BY attempt.started_at
"""


def check(world: World, *bystanders: Customer) -> None:
    """Of all the world's customers. The `bystanders` were not meant: theirs is all accepted at the first attempt."""
    for customer in world.customers:
        check_customer(world, customer)
    check_arrivals(world)
    for bystander in bystanders:
        world.drained(bystander)
        assert {state for state, _ in world.batches(bystander)} == {"accepted"}
        assert set(world.attempts(bystander)) == {("accepted", False)}
    check_logs(world)


def check_customer(world: World, customer: Customer) -> None:
    events = _events(world, customer)
    places = _places(world, customer)
    missing = customer.told - set(events)
    assert not missing, f"Captured and not in the log: {missing}."
    assert set(places) == set(events), f"In the log and nowhere else: {set(events) ^ set(places)}."
    arrived = _arrived(world, customer)
    requests = _requests(world, customer)
    for event_id, (message_id, payload) in events.items():
        _check_event(places[event_id], payload, arrived.get(message_id, []), requests.get(event_id, []))


def _check_event(place: str, payload: str, arrivals: list[Any], requests: list[Any]) -> None:
    """One event: what arrived is what was captured, and as often as its requests allow."""
    assert all(call == json.loads(payload) for call in arrivals), f"Sent again with other contents: {arrivals}."
    assert (place == "accepted") <= bool(arrivals), "Accepted, and it never arrived."
    may_have_arrived = [row for row in requests if row[1] == "accepted" or row[2]]
    assert len(arrivals) <= len(may_have_arrived), f"Arrived {len(arrivals)} times in {requests}."
    for earlier, later in pairwise(requests):
        known = earlier[1] == "accepted" and earlier[4] <= later[3]
        assert not known, f"Sent again after its acceptance was recorded: {requests}."


def check_arrivals(world: World) -> None:
    """Nothing arrived that nobody captured."""
    captured = {message_id for customer in world.customers for message_id, _ in _events(world, customer).values()}
    strangers = {message_id for customer in world.customers for message_id in _arrived(world, customer)} - captured
    assert not strangers, f"Arrived and never captured: {len(strangers)}, like {min(strangers)}."


def check_logs(world: World) -> None:
    """No secret stands in any file that a process of the drill wrote."""
    written = b"".join(path.read_bytes() for path in world.logs.iterdir())
    written += b"".join(path.read_bytes() for path in world.servers.folder.glob("*.log"))
    for secret in _secrets(world):
        assert secret.encode() not in written, "A secret is in a log."


def _secrets(world: World) -> Iterable[str]:
    environment = world.environment()
    yield environment["ENCRYPTION_KEYS"].rpartition(":")[2]
    for customer in world.customers:
        for key in (customer.key, *customer.old_keys):
            yield key
            yield base64.b64encode(f"{key}:".encode()).decode()


def _events(world: World, customer: Customer) -> dict[int, tuple[str, str]]:
    query = "SELECT id, message_id::text, payload FROM delivery_event WHERE source_id = %s"
    return {row[0]: (row[1], row[2]) for row in world.rows(query, customer.source_id)}


def _places(world: World, customer: Customer) -> dict[int, str]:
    rows = world.rows(PLACES, source=customer.source_id)
    twice = [event_id for event_id, count in Counter(event_id for event_id, _ in rows).items() if count > 1]
    assert not twice, f"In two places at once: {twice}."
    return dict(rows)


def _requests(world: World, customer: Customer) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in world.rows(REQUESTS, source=customer.source_id):
        found.setdefault(row[0], []).append(row)
    return found


def _arrived(world: World, customer: Customer) -> dict[str, list[Any]]:
    """The calls by messageId, in either region: how often each came, and with what."""
    found: dict[str, list[Any]] = {}
    for region, key in product(("us", "eu"), (customer.key, *customer.old_keys)):
        for entry in world.segment.entries(region, key):
            found.setdefault(entry["message_id"], []).append(entry["call"])
    return found
