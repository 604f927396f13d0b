import pytest

from delivery.batching import new_batch
from delivery.models import Attempt
from delivery.outbox import capture
from delivery.pages import listings
from delivery.pages.listings import WantedRefusals, attempts_of, refusals_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(listings, "PAGE", 2)
    monkeypatch.setattr(listings, "LOOKED_AT", 3)


def refuse(source, call, **changes):
    return capture(source.tenant_id, {**call, "userId": None, **changes}).refused[0].pk


def walk(source, wanted):
    found, before = [], 0
    while True:
        listing = refusals_of(source, wanted, before)
        found += [row.pk for row in listing.rows]
        if not (before := listing.before):
            return found


def test_refusals_are_listed_once_newest_first(source, other_source, call):
    ids = [refuse(source, call) for _ in range(4)]
    assert walk(source, WantedRefusals()) == ids[::-1]
    assert walk(other_source, WantedRefusals()) == []


def test_refusals_are_found_by_name_person_and_reason(source, call):
    bounced = refuse(source, call, event="Email Bounced")
    large = capture(source.tenant_id, {**call, "properties": {"email_subject": "x" * 40_000}}).refused[0].pk
    newest = [refuse(source, call) for _ in range(4)]
    assert walk(source, WantedRefusals(name="BOUNCED")) == [bounced]
    assert walk(source, WantedRefusals(reason="too_large")) == [large]
    assert walk(source, WantedRefusals(user="u-1")) == [large]
    assert walk(source, WantedRefusals(reason="no_identity", name="email opened")) == newest[::-1]


def test_attempts_are_listed_with_their_batches_in_one_query(source, call, django_assert_num_queries):
    batch = new_batch(source.pk, source.tenant_id, [1, 2], 40)
    for number in (1, 2, 3):
        Attempt(
            batch=batch, source=source, number=number, region="us", source_version=1, started_at=batch.created_at,
            lease_token="00000000-0000-0000-0000-000000000001",
        ).save()  # fmt: skip
    with django_assert_num_queries(1):
        listing = attempts_of(source)
        assert [(row.number, row.batch.event_count) for row in listing.rows] == [(3, 2), (2, 2)]
    assert [row.number for row in attempts_of(source, listing.before).rows] == [1]
