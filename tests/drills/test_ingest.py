"""Segment's own libraries as clients of the ingest API, while what serves them is killed."""

from collections import Counter
from functools import partial
from operator import le

import pytest

from tests.clients import libraries
from tests.clients.web import Web
from tests.drills.checker import check
from tests.waiting import eventually

pytestmark = [pytest.mark.drill, pytest.mark.slow_drill]

EVENTS = 10_000


@pytest.fixture
def web(world):
    server = Web(world.logs, world.environment())
    server.start()
    yield server
    server.close()


def arrived(world, customer):
    """How often the events of each user were accepted by the stand-in, which throws repeated messageIds away."""
    return Counter(call["userId"] for call in world.segment.events(customer.region, customer.key))


@pytest.mark.parametrize("library", [libraries.python, libraries.node], ids=["python", "node"])
def test_a_library_of_segments_loses_nothing_when_web_and_worker_are_killed(world, web, library):
    """10,000 events, from its track() to the stand-in. Nothing is simulated: the leases of the killed run out."""
    customer = world.customer()
    slug = world.one("SELECT slug FROM tenants_tenant WHERE id = %s", customer.tenant_id)
    key = world.manage("create_ingest_key", "--tenant", slug).strip()
    customer.old_keys.append(key)
    captured = "SELECT count(*) FROM delivery_event WHERE source_id = %s"
    world.beat()
    worker = world.worker()
    sending = library().send(web.url, key, events=EVENTS, pause=0.1)
    for share in (0.2, 0.6):
        least = int(EVENTS * share)
        assert eventually(partial(world.one, captured, customer.source_id), partial(le, least), 60) >= least
        web.kill()
        worker.kill()
        web.start()
        worker = world.worker()

    assert libraries.failed(sending) == 0
    assert world.one(captured, customer.source_id) == EVENTS
    world.drained(customer, seconds=100)
    assert arrived(world, customer) == Counter(f"u-{number}" for number in range(EVENTS))
    check(world)
