import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from delivery import health
from delivery.breaker import answered
from delivery.enums import Outcome
from delivery.health import Readiness, readiness
from delivery.heartbeat import note_sweep
from delivery.outcomes import Answer
from delivery.redis_link import ask

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def look_anew():
    note_sweep()
    health._check_migrations.cache_clear()  # noqa: SLF001  # what another test saw
    yield
    health._check_migrations.cache_clear()  # noqa: SLF001  # what this one saw


def test_readiness_with_both_servers(db):
    assert readiness() == Readiness(ready=True, problems={})
    assert readiness().as_dict() == {"status": "ready", "problems": {}}


def test_readiness_without_room_in_the_log_is_degraded(db, settings):
    settings.EVENT_PARTITION_IDS = 10**12
    found = readiness()
    assert (found.ready, found.as_dict()["status"], list(found.problems)) == (True, "degraded", ["log"])
    assert "manage.py partitions" in found.problems["log"]


def test_readiness_without_redis_is_degraded(db, settings):
    settings.REDIS_URL = NOWHERE
    found = readiness()
    assert (found.ready, found.as_dict()["status"], list(found.problems)) == (True, "degraded", ["redis"])


def test_readiness_without_a_sweep_is_degraded(db):
    ask(lambda redis: redis.expire("headwater:swept", 86_400 - 40))
    found = readiness()
    assert found.as_dict()["status"] == "degraded"
    assert found.problems["sweep"].startswith("No sweep for 4")
    ask(lambda redis: redis.flushdb())
    assert readiness().problems["sweep"].startswith("No sweep is known of.")


def test_readiness_tells_of_a_region_that_answers_nobody(db):
    for source_id in range(3):
        answered("eu", source_id, Answer(Outcome.TIMEOUT, ambiguous=True))
    found = readiness()
    assert (found.ready, list(found.problems)) == (True, ["region eu"])
    assert "3 sources failed" in found.problems["region eu"]


def test_readiness_without_the_database_is_none(database_away):
    found = readiness()
    assert found.as_dict() == {"status": "unavailable", "problems": {"database": "The database does not answer."}}
    assert not found.ready


def test_readiness_of_a_database_that_is_behind_is_none(db):
    MigrationRecorder(connection).record_unapplied("delivery", "0001_initial")
    found = readiness()
    assert found.problems == {"database": "The database is behind the program: run manage.py migrate."}
    assert not found.ready
    MigrationRecorder(connection).record_applied("delivery", "0001_initial")
    assert readiness().ready


def test_readiness_asks_two_queries_once_the_database_is_migrated(db, django_assert_num_queries):
    readiness()
    with django_assert_num_queries(2):
        readiness()


def test_healthz_asks_nobody(client, database_away, settings):
    settings.REDIS_URL = NOWHERE
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"ok\n", "text/plain")


def test_readyz_says_so_with_its_status(client, db):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "problems": {}})
    assert "no-store" in answer["Cache-Control"]


def test_readyz_without_the_database_is_a_503(client, database_away):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")


def test_probes_are_answered_on_http_too(client, db, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics", "/admin/")] == [
        200, 200, 200, 301,
    ]  # fmt: skip
