"""An export whose worker is killed. No row of the fault list is about it; docs/privacy.md says what is promised."""

import io
import json
import zipfile

import pytest

from tests.waiting import eventually

pytestmark = [pytest.mark.drill, pytest.mark.slow_drill]

EVENTS = 40_000
FILE = "SELECT data FROM tenants_exportpiece JOIN tenants_export ON id = export_id WHERE tenant_id = %s ORDER BY number"


def test_an_export_goes_on_after_its_worker_was_killed_in_the_middle(world):
    """Nothing is simulated: the next worker is let in after 15 s, and told by beat within 10."""
    customer = world.customer()
    world.hands("change", customer.source_id, "pause_source")
    for _ in range(EVENTS // 10_000):
        world.capture(customer, 10_000)
    world.hands("ask_for_export", customer.tenant_id)
    world.beat()
    first = world.worker()
    done = "SELECT rows_done FROM tenants_export WHERE tenant_id = %s"
    reached = eventually(lambda: world.one(done, customer.tenant_id), lambda rows: rows > 2_000)
    first.kill()
    assert reached < EVENTS
    assert world.one("SELECT state FROM tenants_export WHERE tenant_id = %s", customer.tenant_id) == "running"
    world.worker()
    state = "SELECT state FROM tenants_export WHERE tenant_id = %s"
    assert eventually(lambda: world.one(state, customer.tenant_id), lambda now: now != "running", seconds=90) == "ready"
    file = b"".join(bytes(data) for (data,) in world.rows(FILE, customer.tenant_id))
    with zipfile.ZipFile(io.BytesIO(file)) as read:
        assert read.testzip() is None
        ids = [json.loads(line)["id"] for line in read.read("delivery/events.jsonl").splitlines()]
    assert ids == sorted(customer.told)
