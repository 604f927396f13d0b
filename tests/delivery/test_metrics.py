import math
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from delivery import lanes, limiter, metrics
from delivery.breaker import answered
from delivery.clock import database_now
from delivery.enums import Hold, Outcome
from delivery.heartbeat import note_sweep
from delivery.models import Batch, Lane, RateHold
from delivery.outbox import capture_many
from delivery.outcomes import Answer
from delivery.redis_link import ask
from delivery.turn import take_turn
from integrations.enums import Region
from integrations.services import pause_source
from tests.conftest import make_source
from tests.delivery.test_health import NOWHERE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

TOKEN = "a-token-for-metrics"


def scraped():
    """Value by name and labels, in the order of their names."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (
            sample.name.removeprefix("headwater_"),
            *(sample.labels[label] for label in sorted(sample.labels)),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_count_what_waits_by_region_and_state(tenant, source, call):
    paused = make_source(tenant, "another-key-of-the-tenant", Region.EU, "Paused")
    capture_many(tenant.pk, [call] * 3)
    pause_source(paused)
    found = scraped()
    assert found["waiting_events", "us", "sending"] == found["waiting_events", "eu", "paused"] == 3
    assert found["waiting_events", "eu", "sending"] == found["waiting_events", "us", "held"] == 0
    assert found["oldest_waiting_event_age_seconds", "us", "sending"] > 0
    assert found["oldest_waiting_event_age_seconds", "eu", "sending"] == 0


@pytest.mark.django_db(transaction=True)
def test_metrics_count_the_events_of_open_batches_too(source, segment, call):
    capture_many(source.tenant_id, [call] * 3)
    segment.fault("us", "status", status=503)
    take_turn([source.pk])
    assert Batch.objects.filter(state="open", attempts_made=1).exists()
    found = scraped()
    assert found["waiting_events", "us", "sending"] == 3
    assert found["oldest_waiting_event_age_seconds", "us", "sending"] > 0


def lane_states():
    return {key[1:]: value for key, value in scraped().items() if key[0] == "lanes"}


def test_metrics_tell_the_lanes_by_state(source, other_source, call):
    """Labels in the order hold, region, state."""
    assert lane_states() == {("", "us", "idle"): 2}
    capture_many(source.tenant_id, [call])
    assert lane_states() == {("", "us", "idle"): 1, ("", "us", "ready"): 1}
    lanes.wait(source.pk, 60)
    lanes.hold(other_source.pk, Hold.KEY_REFUSED, "Paste the key.")
    assert lane_states() == {("", "us", "waiting"): 1, ("key_refused", "us", "held"): 1}
    Lane.objects.update(not_before=None)
    assert lanes.lease(source.pk)
    pause_source(other_source)
    assert lane_states() == {("", "us", "working"): 1, ("", "us", "paused"): 1}


@pytest.mark.django_db(transaction=True)
def test_metrics_count_the_attempts_of_the_last_minute_by_answer(source, segment, call):
    capture_many(source.tenant_id, [call])
    take_turn([source.pk])
    found = scraped()
    assert found["attempts_last_minute", "accepted", "us"] == 1
    assert found["attempts_last_minute", "accepted", "eu"] == found["attempts_last_minute", "timeout", "us"] == 0


def test_metrics_count_the_keys_that_segment_paused(source):
    now = database_now()
    RateHold.objects.create(key_id="one", until=now + timedelta(minutes=1))
    RateHold.objects.create(key_id="two", until=now - timedelta(minutes=1))
    assert scraped()["rate_holds",] == 1


def test_metrics_say_how_many_events_the_log_has_room_for(source, call):
    before = scraped()["event_ids_ahead",]
    capture_many(source.tenant_id, [call] * 3)
    assert before - scraped()["event_ids_ahead",] == 3


def test_metrics_tell_the_length_of_the_queues(db):
    ask(lambda redis: redis.rpush("eu", "a hint", "another"))
    found = scraped()
    assert [found["queued_tasks", queue] for queue in ("us", "eu", "sweep")] == [0, 2, 0]


def test_metrics_count_the_waits_for_permits(db):
    waits = [limiter.permit("a key").wait for _ in range(20)]
    found = scraped()
    counted = [found["permit_wait_seconds_bucket", bound] for bound in ("0.0", "0.02", "0.05", "0.1", "+Inf")]
    assert counted == [sum(wait <= limit for wait in waits) for limit in (0, 0.02, 0.05, 0.1, 9)]
    assert found["permit_wait_seconds_count",] == 20
    assert found["permit_wait_seconds_sum",] == pytest.approx(sum(waits))


def test_metrics_tell_of_regions_that_answer_nobody_and_of_the_last_sweep(db):
    for source_id in range(3):
        answered("eu", source_id, Answer(Outcome.TIMEOUT, ambiguous=True))
    found = scraped()
    assert [found["failing_sources", region] for region in ("us", "eu")] == [0, 3]
    assert [found["breaker_open", region] for region in ("us", "eu")] == [0, 1]
    assert math.isinf(found["last_sweep_age_seconds",])
    note_sweep()
    assert scraped()["last_sweep_age_seconds",] < 10


def test_metrics_cost_as_many_queries_for_three_sources_as_for_one(tenant, source, call, django_assert_num_queries):
    for number in range(3):
        capture_many(tenant.pk, [call])
        with django_assert_num_queries(4):
            metrics.exposition()
        make_source(tenant, f"key-number-{number}-of-the-tenant", name=str(number))


def test_metrics_name_no_tenant_and_no_source(source, call):
    capture_many(source.tenant_id, [call])
    text = metrics.exposition().decode()
    assert source.name not in text
    assert "acme" not in text


def test_metrics_without_redis_have_the_rest(source, settings):
    settings.REDIS_URL = NOWHERE
    found = scraped()
    assert (found["up", "database"], found["up", "redis"]) == (1, 0)
    assert ("lanes", "", "us", "idle") in found
    assert ("queued_tasks", "us") not in found


def test_metrics_without_the_database_have_the_rest(database_away):
    found = scraped()
    assert (found["up", "database"], found["up", "redis"]) == (0, 1)
    assert found["queued_tasks", "us"] == 0


def test_metrics_page_is_for_this_machine(client):
    answer = client.get("/metrics")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


@pytest.mark.parametrize(
    "request_from",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
    ],
)
def test_metrics_page_is_closed_to_others(client, request_from):
    answer = client.get("/metrics", **request_from)
    assert (answer.status_code, b"METRICS_TOKEN" in answer.content, b"headwater_" in answer.content) == (
        403,
        True,
        False,
    )


def test_metrics_page_behind_a_proxy_needs_a_token(client, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert client.get("/metrics").status_code == 403


def test_metrics_page_with_a_token_asks_everybody_for_it(client, settings):
    settings.METRICS_TOKEN = TOKEN
    given = ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}é", f"Bearer {TOKEN}"]
    answers = [client.get("/metrics", REMOTE_ADDR="192.0.2.7", HTTP_AUTHORIZATION=each).status_code for each in given]
    assert answers == [403, 403, 403, 403, 403, 200]
    assert client.get("/metrics").status_code == 403
