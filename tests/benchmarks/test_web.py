import re
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from benchmarks.measured import BenchmarkError
from benchmarks.web import Browser
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(live_server):
    return urlsplit(live_server.url).port


def test_page_is_loaded_by_who_is_signed_in(port, settings, owner):
    cookie = logged_in(owner).cookies[settings.SESSION_COOKIE_NAME]
    with closing(Browser(port, f"{cookie.key}={cookie.value}")) as browser:
        assert browser.median_ms("/t/acme/", 3) > 0


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/t/acme/", "/t/acme/ answered 302 and sends to /accounts/login/?next=/t/acme/, and not 200."),
        ("/no/such/page/", "/no/such/page/ answered 404, and not 200."),
    ],
)
def test_another_answer_than_200_is_an_error(port, path, answer):
    with closing(Browser(port, "")) as browser, pytest.raises(BenchmarkError, match=f"^{re.escape(answer)}$"):
        browser.median_ms(path, 1)
