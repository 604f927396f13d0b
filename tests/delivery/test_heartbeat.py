import math

import pytest

from delivery.heartbeat import note_sweep, sweep_age
from delivery.redis_link import ask
from delivery.sweep import sweep


def test_age_of_the_last_sweep_is_unknown_until_there_is_one(db):
    assert math.isinf(sweep_age())
    sweep()
    assert 0 <= sweep_age() < 10


def test_age_counts_from_the_last_sweep():
    note_sweep()
    ask(lambda redis: redis.expire("headwater:swept", 86_400 - 40))
    assert 40 <= sweep_age() < 50


def test_sweep_goes_on_without_redis(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert sweep() == 0


@pytest.fixture(autouse=True)
def no_sweep():
    ask(lambda redis: redis.delete("headwater:swept"))
