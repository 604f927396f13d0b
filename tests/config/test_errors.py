"""What somebody reads when a request fails: our error, or a database or Redis that cannot be reached."""

import pytest
import redis
from django.conf import settings
from django.db.utils import ConnectionHandler
from django.test import Client
from django.urls import path

from config import urls
from config.embedded.valkey import Valkey
from tests.conftest import PASSWORD
from tests.servers import new_places, remove

NOBODY_LISTENS = 1


def fail(request):
    raise RuntimeError("boom")


def ask_the_database(request):
    """That of the settings, at a port where there is none."""
    lost = settings.DATABASES["default"] | {"HOST": "127.0.0.1", "PORT": NOBODY_LISTENS}
    ConnectionHandler({"default": lost})["default"].ensure_connection()


urlpatterns = [path("fail/", fail), path("ask/", ask_the_database), *urls.urlpatterns]
handler500 = urls.handler500


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("address", "status", "words", "retry_after"),
    [
        ("/fail/", 500, "Something went wrong on our side", None),
        ("/ask/", 503, "We cannot reach our data just now", "30"),
    ],
)
def test_error_page_says_whether_it_is_the_database(address, status, words, retry_after):
    response = Client(raise_request_exception=False).get(address)
    assert (response.status_code, response.get("Retry-After")) == (status, retry_after)
    assert words in response.content.decode()


@pytest.fixture
def own_valkey(settings):
    """One that the test may stop or fill."""
    places = new_places()
    valkey = Valkey(places, places.var / "valkey.log")
    valkey.prepare()
    valkey.start()
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": valkey.url}}
    yield valkey
    remove([valkey], places)


def log_in(owner):
    client = Client(raise_request_exception=False)
    return client, client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})


def test_without_redis_nobody_signs_in_and_is_told_so(own_valkey, owner):
    signed_in, _ = log_in(owner)
    own_valkey.stop()
    client, response = log_in(owner)
    assert (response.status_code, response["Retry-After"]) == (503, "30")
    assert "We cannot reach our data just now" in response.content.decode()
    assert "_auth_user_id" not in client.session
    assert signed_in.get("/t/acme/").status_code == 200


def test_with_a_full_redis_nobody_signs_in_and_is_told_so(own_valkey, owner):
    with redis.Redis.from_url(own_valkey.url) as full:
        full.config_set("maxmemory", 1)
    client, response = log_in(owner)
    assert response.status_code == 503
    assert "_auth_user_id" not in client.session
