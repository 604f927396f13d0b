import threading
from datetime import timedelta

import pytest
from django.db import connection

from delivery import lanes
from delivery.batching import cut, new_batch
from delivery.clock import database_now
from delivery.enums import Hold
from delivery.models import Batch, Lane
from delivery.outbox import capture
from integrations.secrets import Secret
from integrations.services import pause_source, replace_write_key, resume_source
from tests.conftest import OTHER_WRITE_KEY
from tests.delivery.steps import sure

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def test_lease_makes_the_lane_at_first_need(source):
    Lane.objects.all().delete()
    assert sure(lanes.lease(source.pk)).source_id == source.pk
    assert sure(Lane.objects.get().leased_until) > database_now() + timedelta(seconds=40)


@pytest.mark.django_db(transaction=True)
def test_what_follows_lease_and_cut_waits_for_the_disk_again(source, call):
    """An attempt that a crash of the database undoes would be made twice without a trace."""
    capture(source.tenant_id, call)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        assert cut(sure(lanes.lease(source.pk)))
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
        cursor.execute("RESET synchronous_commit")


def test_lease_of_a_source_that_is_gone_is_none(db):
    assert lanes.lease(4_711) is None
    assert Lane.objects.count() == 0


def test_lease_is_one_workers_alone_until_released(source):
    lease = sure(lanes.lease(source.pk))
    assert lanes.lease(source.pk) is None
    lanes.release(lease)
    assert lanes.lease(source.pk) is not None


def test_lease_that_has_run_out_is_free(source):
    lanes.lease(source.pk)
    Lane.objects.update(leased_until=database_now() - timedelta(milliseconds=1))
    assert lanes.lease(source.pk) is not None


def test_release_leaves_the_lease_of_another(source):
    late = sure(lanes.lease(source.pk))
    Lane.objects.update(leased_until=database_now() - timedelta(seconds=1))
    mine = sure(lanes.lease(source.pk))
    lanes.release(late)
    assert Lane.objects.get().lease_token == mine.token


@pytest.mark.parametrize(
    ("columns", "leased"),
    [
        ({"hold": Hold.KEY_REFUSED, "held_at": "2026-01-31T09:30Z"}, False),
        ({"not_before": "2999-01-01T00:00Z"}, False),
        ({"not_before": "2026-01-01T00:00Z"}, True),
    ],
)
def test_lease_respects_holds_and_waits(source, columns, leased):
    lanes.release(sure(lanes.lease(source.pk)))
    Lane.objects.update(**columns)
    assert (lanes.lease(source.pk) is not None) == leased


def test_wait_never_shortens_a_longer_wait(source):
    Lane.objects.update(not_before="2999-01-01T00:00Z")
    lanes.wait(source.pk, 5)
    assert sure(Lane.objects.get().not_before).year == 2999


@pytest.mark.parametrize(
    "change",
    [lambda source: replace_write_key(source, Secret(OTHER_WRITE_KEY)), resume_source],
    ids=["key replaced", "resumed"],
)
def test_a_change_of_the_source_clears_its_holds(source, change):
    if change is resume_source:
        pause_source(source)
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    Lane.objects.update(not_before="2999-01-01T00:00Z", failures=7, rejections=2)
    batch = new_batch(source.pk, source.tenant_id, [1], 40, not_before="2999-01-01T00:00Z", tries=7)
    change(source)
    lane = Lane.objects.get()
    assert (lane.hold, lane.hold_reason, lane.held_at, lane.not_before) == ("", "", None, None)
    assert (lane.failures, lane.rejections) == (0, 0)
    assert Batch.objects.values_list("not_before", "tries").get(pk=batch.pk) == (None, 0)


def test_a_pause_leaves_the_hold(source):
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    pause_source(source)
    assert Lane.objects.get().hold == Hold.KEY_REFUSED


@pytest.mark.django_db(transaction=True)
def test_lease_goes_to_one_of_two_at_once(source):
    start = threading.Barrier(2)
    leases = []

    def run():
        start.wait(20)
        leases.append(lanes.lease(source.pk))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in leases if lease]) == 1
