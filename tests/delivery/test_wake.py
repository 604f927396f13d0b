import logging
import os
import signal
import threading
import time

import pytest
from django.db import transaction

import delivery.wake
from delivery import redis_link
from delivery.courier import Courier
from delivery.heartbeat import note_sweep
from delivery.outbox import capture
from delivery.redis_link import ask
from delivery.wake import clear_flags, courier, hint, wake
from integrations.enums import Region
from integrations.services import pause_source
from tests.conftest import OTHER_WRITE_KEY, make_source
from tests.delivery.hinting import forget_hints, hints


def test_wake_sends_source_ids_to_the_regions_queue():
    wake([1, 2], "eu")
    assert hints("eu") == [[1, 2]]
    assert hints("us") == []


def test_wake_is_coalesced_until_a_turn_clears_the_flag(monkeypatch):
    monkeypatch.setattr("delivery.wake.FLAG_SECONDS", 60)
    wake([1], "us")
    wake([1, 2], "us")
    assert hints("us") == [[1], [2]]
    clear_flags([1])
    wake([1, 2], "us")
    assert hints("us") == [[1], [2], [1]]


def test_wake_flag_lasts_a_second_at_most():
    wake([1], "us")
    assert 0 < ask(lambda redis: redis.pttl("headwater:wake:1")) <= 1_000


def test_wake_sends_no_more_hints_while_there_are_enough(monkeypatch):
    monkeypatch.setattr("delivery.wake.ENOUGH_QUEUED", 2)
    note_sweep()
    for source_id in range(4):
        wake([source_id], "us")
    wake([9], "eu")
    assert (hints("us"), hints("eu")) == ([[0], [1]], [[9]])


def test_wake_leaves_no_lane_out_when_no_sweep_would_find_it(monkeypatch):
    monkeypatch.setattr("delivery.wake.ENOUGH_QUEUED", 2)
    for source_id in range(4):
        wake([source_id], "us")
    assert hints("us") == [[0], [1], [2], [3]]


def test_hint_ignores_flags_and_takes_fifty_lanes_a_task():
    wake([1], "us")
    hint(list(range(120)), "us")
    assert [len(ids) for ids in hints("us")] == [1, 50, 50, 20]


@pytest.fixture
def quiet_source(source):
    """Connecting it sent a hint too."""
    forget_hints()
    return source


@pytest.mark.django_db(transaction=True)
def test_capture_wakes_after_the_commit(quiet_source, call):
    source = quiet_source
    with transaction.atomic():
        capture(source.tenant_id, call)
        assert hints("us") == []
    assert hints("us") == [[source.pk]]


@pytest.mark.django_db(transaction=True)
def test_capture_that_rolls_back_wakes_nobody(quiet_source, call):
    with transaction.atomic():
        capture(quiet_source.tenant_id, call)
        transaction.set_rollback(True)
    assert hints("us") == []


@pytest.mark.django_db(transaction=True)
def test_capture_wakes_each_region_and_no_paused_source(source, tenant, call):
    european = make_source(tenant, OTHER_WRITE_KEY, Region.EU, "Second")
    pause_source(source)
    forget_hints()
    capture(tenant.pk, call)
    assert (hints("us"), hints("eu")) == ([], [[european.pk]])


def test_wake_without_redis_raises_nothing_and_rests(settings, caplog):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    wake([1], "us")
    settings.REDIS_URL = "redis://never.asked.invalid:1/0"
    wake([1], "us")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "Redis does not answer: the sweep will wake the lanes."
    ] * 2
    redis_link.try_again()


@pytest.mark.django_db(transaction=True)
def test_capture_is_captured_while_no_thread_can_be_started_and_wakes_after_that(quiet_source, call, monkeypatch):
    another = Courier(wake)
    monkeypatch.setattr(delivery.wake, "courier", another)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        assert capture(quiet_source.tenant_id, call).event_ids
    capture(quiet_source.tenant_id, call)
    assert another.is_done(10)
    assert hints("us") == [[quiet_source.pk]]


def refused(thread):
    raise RuntimeError("can't start new thread")


def test_capture_without_redis_is_captured(source, call, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert len(capture(source.tenant_id, call).event_ids) == 1
    assert courier.is_done(10)


@pytest.mark.django_db(transaction=True)
def test_capture_with_a_frozen_redis_is_captured_and_waits_for_nothing(source, call):
    """faults.md, rows 6 and 7: 2.5 s at worst; the thread that carries the hints has the waiting to itself."""
    assert courier.is_done(10)
    process = ask(lambda redis: redis.info()["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert [len(capture(source.tenant_id, call).event_ids) for _ in range(20)] == [1] * 20
        assert time.monotonic() - started < 2.5
    finally:
        os.kill(process, signal.SIGCONT)
        assert courier.is_done(10)
