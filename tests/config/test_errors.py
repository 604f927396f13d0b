"""What somebody reads when a request fails: our error, or a database that cannot be reached."""

import pytest
from django.conf import settings
from django.db.utils import ConnectionHandler
from django.test import Client
from django.urls import path

from config import urls

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
