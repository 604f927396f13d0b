import pytest

from delivery import lanes, queries
from delivery.batching import new_batch
from delivery.choosing import close
from delivery.enums import BatchState, Hold
from delivery.models import Event
from delivery.outbox import capture
from integrations.services import pause_source
from tests.delivery.steps import sure

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def ended(source, count, state):
    close(new_batch(source.pk, source.tenant_id, range(1_000, 1_000 + count), 40), state, "")


def test_statuses_count_events(source, call):
    capture(source.tenant_id, call)
    capture(source.tenant_id, {**call, "userId": None})
    new_batch(source.pk, source.tenant_id, [10**6, 10**6 + 1], 40)
    for count, state in ((3, BatchState.ACCEPTED), (4, BatchState.SET_ASIDE), (5, BatchState.QUARANTINED)):
        ended(source, count, state)
    ended(source, 9, BatchState.SPLIT)
    (status,) = queries.statuses()
    assert (status.waiting, status.accepted, status.refused) == (3, 3, 1)
    assert (status.set_aside, status.quarantined) == (4, 5)
    assert status.oldest_waiting == Event.objects.get().captured_at
    assert sure(status.oldest_waiting_seconds) >= 0


def test_statuses_tell_why_a_lane_is_held(source):
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    (status,) = queries.statuses()
    assert (status.state, status.hold, status.hold_reason) == ("held", "key_refused", "Paste the key.")
    pause_source(source)
    assert queries.statuses()[0].state == "paused"


def test_statuses_of_an_idle_source(source):
    (status,) = queries.statuses(source.tenant_id)
    assert (status.state, status.waiting, status.oldest_waiting, status.oldest_waiting_seconds) == (
        "connected", 0, None, None,
    )  # fmt: skip


def test_statuses_of_a_tenant_show_no_other(source, other_source):
    assert [status.source_id for status in queries.statuses(source.tenant_id)] == [source.pk]
    assert len(queries.statuses()) == 2


def test_statuses_are_one_query(source, other_source, django_assert_num_queries):
    with django_assert_num_queries(1):
        queries.statuses()
