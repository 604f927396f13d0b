from datetime import UTC, datetime, timedelta

import pytest

from delivery import clock
from delivery.clock import database_now, estimated_now, learn


@pytest.fixture(autouse=True)
def nothing_learned(monkeypatch):
    monkeypatch.setattr(clock.Ahead, "seconds", None)


def test_estimate_follows_the_database_and_not_this_machine():
    moment = datetime(2020, 1, 31, 9, 30, tzinfo=UTC)
    learn(moment)
    assert timedelta() <= estimated_now() - moment < timedelta(seconds=5)


def test_estimate_is_the_machines_time_until_something_was_learned():
    assert abs(estimated_now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_estimate_agrees_with_the_database(db):
    learn(database_now())
    assert abs(estimated_now() - database_now()) < timedelta(seconds=1)
