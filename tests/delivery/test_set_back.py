"""Moments that lie ahead as far as a clock was set back after they were written."""

from datetime import timedelta

import pytest
from celery import current_app
from django.db import connection

from delivery import lanes
from delivery.clock import database_now
from delivery.models import Batch, Lane, RateHold
from delivery.outbox import capture
from delivery.set_back import MOMENTS, bring_back
from delivery.sweep import due
from delivery.turn import take_turn
from integrations.queries import sending_credentials
from tests.delivery.steps import sure

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]
AGO = timedelta(hours=2)


@pytest.fixture
def failed(source, call, segment):
    """A source whose only batch waits for half an hour."""
    capture(source.tenant_id, call)
    segment.fault("us", "status", status=503, headers={"Retry-After": "1800"}, count=1)
    take_turn([source.pk])
    return source


def set_back(model, column):
    """As if the clock had gone back since."""
    for row in model.objects.exclude(**{column: None}):
        model.objects.filter(pk=row.pk).update(**{column: getattr(row, column) + AGO})


def test_lease_of_a_dead_worker_ends_as_soon_as_any(source, call):
    capture(source.tenant_id, call)
    lease = sure(lanes.lease(source.pk))
    set_back(Lane, "leased_until")
    assert bring_back() == 1
    row = Lane.objects.get()
    assert row.lease_token == lease.token
    assert timedelta() < sure(row.leased_until) - database_now() <= timedelta(seconds=lanes.LEASE_SECONDS)


@pytest.mark.parametrize("model", [Lane, Batch])
def test_lane_or_batch_that_waits_too_long_is_sent(failed, segment, model):
    other = Batch if model is Lane else Lane
    other.objects.update(not_before=None)
    set_back(model, "not_before")
    assert due() == []
    assert bring_back() == 1
    assert due() == [(failed.pk, "us", True)]
    take_turn([failed.pk])
    assert Batch.objects.get().state == "accepted"


def test_key_that_waits_too_long_is_used(source, call, segment):
    key = sure(sending_credentials(source.pk)).rate_key
    RateHold.objects.create(key_id=key, until=database_now() + AGO)
    capture(source.tenant_id, call)
    assert bring_back() == 1
    take_turn([source.pk])
    assert Batch.objects.get().state == "accepted"


def test_mark_goes_back_in_time_to_see_late_commits(source, call):
    """Within the seconds that a late commit may hide, and no later, as ever."""
    Lane.objects.update(mark=1_000_000, mark_reset_at=database_now() + AGO)
    assert bring_back() == 1
    assert sure(Lane.objects.get().mark_reset_at) <= database_now()
    assert Lane.objects.get().mark == 1_000_000


def test_moments_that_the_engine_sets_stay(failed):
    """The longest that there are."""
    now = database_now()
    for moment in MOMENTS:
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {moment.table} SET {moment.column} = %s", [now + timedelta(seconds=moment.at_most)])
    RateHold.objects.create(key_id="k", until=now + timedelta(hours=1))
    before = [list(model.objects.values()) for model in (Lane, Batch, RateHold)]
    assert bring_back() == 0
    assert [list(model.objects.values()) for model in (Lane, Batch, RateHold)] == before


def test_what_was_brought_back_is_told_once(failed, caplog):
    set_back(Lane, "not_before")
    set_back(Batch, "not_before")
    assert (bring_back(), bring_back()) == (2, 0)
    assert [record.getMessage() for record in caplog.records if record.name == "delivery.set_back"] == [
        "The database's clock has gone back: 2 lanes, batches and keys waited for too late a time."
    ]


def test_beat_asks_for_it_each_minute(settings, failed):
    entry = settings.CELERY_BEAT_SCHEDULE["clock"]
    assert (entry["schedule"], entry["options"]["queue"]) == (60.0, "sweep")
    set_back(Lane, "not_before")
    current_app.tasks[entry["task"]]()
    assert bring_back() == 0
