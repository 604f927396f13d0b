import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from delivery import lanes
from delivery.batching import new_batch
from delivery.clock import database_now
from delivery.enums import Hold
from delivery.models import Event, Pending
from delivery.outbox import capture
from tenants.scoping import every_tenant

pytestmark = pytest.mark.django_db


def status(*arguments):
    output = StringIO()
    call_command("status", *arguments, stdout=output)
    return output.getvalue()


def test_status_is_a_table(source, other_source, call):
    capture(source.tenant_id, call)
    header, mine, other = status().splitlines()
    assert header.split() == [
        "tenant", "source", "id", "region", "state", "waiting", "accepted", "refused", "set", "aside", "quarantined",
        "oldest", "waiting",
    ]  # fmt: skip
    assert mine.split()[:10] == ["acme", "Main", str(source.pk), "us", "connected", "1", "0", "0", "0", "0"]
    assert other.split()[-1] == "-"


def test_status_of_a_tenant_shows_no_other(source, other_source):
    assert "other" not in status("--tenant", "acme")


def test_status_tells_why_a_source_is_held(source):
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    assert status().splitlines()[-1] == "acme/Main: Paste the key."


def test_status_as_json(source, call):
    capture(source.tenant_id, call)
    (row,) = json.loads(status("--json"))
    assert (row["source_id"], row["tenant"], row["source"], row["state"], row["waiting"]) == (
        source.pk, "acme", "Main", "connected", 1,
    )  # fmt: skip
    assert row["oldest_waiting"].endswith("+00:00")


def test_old_events_that_are_sent_again_wait_since_that_was_asked_for(source, call):
    ids = capture(source.tenant_id, call).event_ids
    with every_tenant():
        Event.objects.update(captured_at=database_now() - timedelta(days=25))
        Pending.objects.all().delete()
        batch = new_batch(source.pk, source.tenant_id, ids, 40)
        batch.refresh_from_db()
    (row,) = json.loads(status("--json"))
    assert (row["waiting"], row["oldest_waiting"]) == (1, batch.waiting_since.isoformat())
    assert row["oldest_waiting_seconds"] < 60


def test_status_without_sources(db):
    assert status() == "No source is connected. Connect one with: manage.py connect_source\n"
    assert json.loads(status("--json")) == []


def test_status_of_an_unknown_tenant_says_so(db):
    with pytest.raises(CommandError, match="There is no tenant 'nobody'"):
        status("--tenant", "nobody")


def test_status_tells_what_is_wrong_with_the_engine_beside_the_table(source):
    problems = StringIO()
    call_command("status", "--json", stdout=StringIO(), stderr=problems)
    assert problems.getvalue().startswith("sweep: No sweep is known of.")
