import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from delivery.choosing import close
from delivery.enums import BatchState
from delivery.models import Batch, Event, Replay
from delivery.outbox import capture_many
from integrations.services import pause_source
from tenants.models import AuditEntry
from tenants.scoping import every_tenant
from tests.delivery.steps import sure

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


@pytest.fixture
def events(source, call):
    """Two events in a batch that was set aside."""
    from delivery import lanes
    from delivery.batching import cut

    capture_many(source.tenant_id, [call] * 2)
    close(sure(cut(sure(lanes.lease(source.pk)))).batch, BatchState.SET_ASIDE, "Given up.")
    return list(Event.objects.order_by("pk"))


def run(source, *arguments):
    output = StringIO()
    call_command("replay", "--source", str(source.pk), *map(str, arguments), stdout=output)
    return output.getvalue()


def test_replay_dry_run_counts_and_changes_nothing(source, events):
    first, *rest = run(source, "--event", events[0].pk, events[1].message_id, "--dry-run").splitlines()
    assert (
        first == f"2 events in 1 batch, the oldest captured at {events[0].captured_at.isoformat(timespec='seconds')}."
    )
    assert rest == ["Nothing was changed."]
    assert (Replay.objects.count(), Batch.objects.get().state) == (0, BatchState.SET_ASIDE)


class Terminal(StringIO):
    def isatty(self):
        return True


def test_replay_tells_a_terminal_how_far_it_is(source, events):
    told = Terminal()
    call_command("replay", "--source", str(source.pk), "--since", "2026-01-01", "--yes", stdout=StringIO(), stderr=told)
    assert told.getvalue().splitlines() == ["Counting: 2 of 2 events", "Queueing: 2 of 2 events"]


def test_replay_tells_a_file_nothing_of_how_far_it_is(source, events):
    told = StringIO()
    call_command("replay", "--source", str(source.pk), "--since", "2026-01-01", "--yes", stdout=StringIO(), stderr=told)
    assert told.getvalue() == ""


def test_replay_without_a_terminal_needs_a_yes(source, events):
    with pytest.raises(CommandError, match="Add --yes"):
        run(source, "--batch", Batch.objects.get().pk)
    assert Replay.objects.count() == 0


def test_replay_with_a_yes_queues_the_events(source, events):
    lines = run(source, "--since", "2026-01-01", "--yes", "--token", "t-1").splitlines()
    made = Replay.objects.get()
    assert lines[-1] == f"Replay {made.pk} has queued 2 events in 1 batch. Token: t-1"
    assert made.requested_by.endswith(" (command line)")
    again = run(source, "--since", "2026-01-01", "--yes", "--token", "t-1").splitlines()
    assert again[0] == "0 events in 0 batches."
    assert again[-1].startswith(f"Done before, as replay {made.pk} at ")


def test_a_replay_is_in_the_history_of_the_tenant_once(source, events):
    for _twice in range(2):
        run(source, "--since", "2026-01-01", "--yes", "--token", "t-1")
    entry = AuditEntry.objects.get(deed="sent again events of")
    made = Replay.objects.get()
    assert (entry.by, entry.subject, entry.details) == (None, source.name, {"events": 2, "replay": made.pk})


def test_replay_as_json_is_one_object(source, events):
    pause_source(source)
    facts = json.loads(run(source, "--batch", Batch.objects.get().pk, "--yes", "--token", "t-1", "--json"))
    assert facts == {
        "events": 2, "batches": 1, "oldest": events[0].captured_at.isoformat(), "accepted_before": 0,
        "may_arrive_twice": 0, "waiting": 0, "gone": 0,
        "notes": ["The source is paused: the events are queued and sent when it is resumed."],
        "replayed": True, "fresh": True, "replay": Replay.objects.get().pk, "token": "t-1", "queued": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say which events"),
        (["--event", "x"], "'x' is neither an event's id nor a messageId"),
        (["--answer", "bad"], "'bad' is no status code and none of unknown, accepted"),
        (["--since", "soon"], "invalid"),
        (["--event", "1", "--yes"], "nothing to replay"),
    ],
)
def test_replay_says_what_is_wrong(source, arguments, message):
    with pytest.raises(CommandError, match=message):
        run(source, *arguments)


def test_replay_of_an_unknown_source_says_so(db):
    with pytest.raises(CommandError, match="There is no source 7"), every_tenant():
        call_command("replay", "--source", "7")
