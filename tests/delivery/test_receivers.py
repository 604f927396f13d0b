from datetime import UTC, datetime

import orjson
import pytest

from delivery.enums import RefusalReason
from delivery.models import Event, Lane, Refusal
from integrations import signals
from integrations.mappings.registry import REGISTRY
from integrations.signals import EmailActivity, Recipient
from tests.delivery.hinting import hints

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def activity(tenant, **changes):
    fields = {
        "tenant_id": tenant.pk,
        "recipient": Recipient(email="ada@person.test", tool_id="7", user_id="u-7"),
        "occurred_at": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        "email_id": "e-1",
        "email_subject": "Hello",
        "campaign_id": "c-1",
        "campaign_name": "Spring",
    }
    return EmailActivity(**{**fields, **changes})


@pytest.mark.parametrize("mapping", REGISTRY, ids=lambda mapping: mapping.event)
def test_every_mapped_signal_is_captured(source, mapping):
    mapping.signal.send(sender=None, activity=activity(source.tenant, link_id="l-1", link_url="https://a.test/"))
    event = Event.objects.get()
    assert (event.name, event.user_id) == (mapping.event, "u-7")
    assert orjson.loads(event.payload)["properties"]["campaign_name"] == "Spring"
    assert event.occurred_at == datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def test_a_signal_without_a_user_id_is_refused_and_harms_nobody(source):
    nobody = Recipient(email="ada@person.test", tool_id="7")
    signals.email_opened.send(sender=None, activity=activity(source.tenant, recipient=nobody))
    (refusal,) = Refusal.objects.all()
    assert (refusal.reason, refusal.name) == (RefusalReason.NO_IDENTITY, "Email Opened")
    assert Event.objects.count() == 0


def test_a_signal_that_no_mapping_understands_is_refused_and_harms_nobody(source):
    signals.email_opened.send(sender=None, activity=activity(source.tenant, recipient=None))
    assert [refusal.reason for refusal in Refusal.objects.all()] == [RefusalReason.MAPPING_FAILED]


@pytest.mark.django_db(transaction=True)
def test_connecting_a_source_makes_its_lane_and_wakes_it(source):
    assert Lane.objects.get().source_id == source.pk
    assert hints("us") == [[source.pk]]
