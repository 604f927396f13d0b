import pytest
from django.db import connection

from delivery import client, redis_link
from delivery.wake import courier
from integrations.spec.calls import track
from tests.emptying import empty_redis


@pytest.fixture(autouse=True)
def fresh_start():
    """No flag, rate or queue of another test."""
    assert courier.is_done(10)
    redis_link.try_again()
    empty_redis()


@pytest.fixture(autouse=True, scope="session")
def no_connections_left():
    yield
    client.close_connections()


@pytest.fixture
def call():
    return track(event="Email Opened", user_id="u-1", properties={"email_id": "e-1"})


@pytest.fixture
def database_away(transactional_db, monkeypatch):
    """The address of a server that is not there."""
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connection.settings_dict, "PORT", 1)
        yield
    connection.close()
