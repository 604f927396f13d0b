import pytest

from delivery.enums import BatchState, Outcome
from delivery.models import Attempt, Batch, Pending
from delivery.outbox import capture
from delivery.turn import take_turn
from tests.conftest import WRITE_KEY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]


def test_turn_sends_what_was_captured(source, segment, call):
    event_ids = capture(source.tenant_id, call).event_ids
    take_turn([source.pk])
    (arrived,) = segment.events("us", WRITE_KEY)
    assert (arrived["event"], arrived["userId"]) == ("Email Opened", "u-1")
    batch = Batch.objects.get()
    assert (batch.state, batch.event_ids, batch.event_count) == (BatchState.ACCEPTED, event_ids, 1)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.status_code, attempt.ambiguous) == (Outcome.ACCEPTED, 200, False)
    assert Pending.objects.count() == 0
