"""A real Celery worker, in a process of its own, on the queues of Redis."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.db import connection

from delivery.models import Attempt, Batch, Lane
from delivery.outbox import capture, capture_many
from delivery.redis_link import ask
from delivery.wake import hint
from tests.conftest import WRITE_KEY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("everything")]
COMMAND = [sys.executable, "-m", "celery", "-A", "config.celery", "worker", "--pool", "threads", "--concurrency", "4"]


def until(true):
    """Wait for something that must happen; how long it takes is not judged here."""
    for _ in range(600):
        if result := true():
            return result
        time.sleep(0.05)
    raise AssertionError("It did not happen within 30 seconds.")


@contextmanager
def worker(segment, *options):
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path="/" + connection.settings_dict["NAME"]).geturl()
    environment = {"DATABASE_URL": database, "SEGMENT_US_URL": segment.us_url, "SEGMENT_EU_URL": segment.eu_url}
    command = [*COMMAND, "--queues", "us,eu,sweep", "--without-mingle", "--without-gossip", "--loglevel", "WARNING"]
    process = subprocess.Popen([*command, *options], env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_worker_sends_what_is_captured(source, segment, call):
    with worker(segment):
        capture(source.tenant_id, call)
        until(lambda: segment.events("us", WRITE_KEY))
        until(lambda: Batch.objects.filter(state="accepted"))
    assert len(segment.requests()) == 1


def test_worker_finds_by_the_sweep_what_no_hint_told_of(source, segment, call):
    capture(source.tenant_id, call)
    ask(lambda redis: redis.flushdb())
    with worker(segment, "--beat", "--schedule", "/dev/null", "--scheduler", "celery.beat:Scheduler"):
        until(lambda: segment.events("us", WRITE_KEY))
    assert len(segment.events("us", WRITE_KEY)) == 1


def test_worker_told_to_stop_finishes_its_request(source, segment, call):
    segment.fault("us", "delay", delay_ms=1_500, count=1)
    capture(source.tenant_id, call)
    with worker(segment) as process:
        until(Attempt.objects.exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert list(Attempt.objects.values_list("outcome", flat=True)) == ["accepted"]


def test_worker_killed_in_its_request_leaves_it_to_the_next(source, segment, call):
    segment.fault("us", "delay", delay_ms=3_000, count=1)
    capture_many(source.tenant_id, [call] * 3)
    with worker(segment) as process:
        until(Attempt.objects.exists)
        process.kill()
        process.wait(30)
    Lane.objects.update(leased_until="2026-01-01T00:00Z")  # as if the lease's 45 seconds were over
    hint([source.pk], "us")
    with worker(segment):
        until(lambda: Batch.objects.filter(state="accepted"))
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == ["unknown", "accepted"]
    assert len(segment.events("us", WRITE_KEY)) == 3
