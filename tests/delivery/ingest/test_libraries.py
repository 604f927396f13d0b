"""Segment's own libraries against the web server as `make run` starts it: only host and key are changed."""

import http.client
import json
from collections import Counter
from urllib.parse import urlsplit

import httpx
import pytest

from tests.clients import libraries
from tests.clients.web import web_of_test
from tests.delivery.ingest.conftest import basic, refusals, stored, track
from tests.delivery.ingest.losing import UNANSWERED, UNAVAILABLE, UNHEARD, losing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def running_web(tmp_path_factory, django_db_setup):
    with web_of_test(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture
def web(running_web, source):
    return running_web


@pytest.fixture(scope="session", params=["python", "python_gzip", "node"])
def library(request):
    if request.param == "node":
        return libraries.node()
    python = libraries.python()
    python.options["gzip"] = request.param == "python_gzip"
    return python


def users() -> Counter[str]:
    return Counter(call["userId"] for call in stored())


def everybody(count: int) -> Counter[str]:
    return Counter(f"u-{number}" for number in range(count))


def test_a_library_of_segments_delivers_its_events_once(library, web, key):
    assert libraries.failed(library.send(web.url, key, events=250)) == 0

    assert users() == everybody(250)
    assert refusals() == []
    first = stored()[0]
    assert first["context"]["library"]["name"] == library.name
    assert first["context"]["integration"] == {"name": "headwater", "version": "1.0.0"}
    assert set(first) <= {
        *("type", "event", "userId", "properties", "context", "integrations", "messageId", "timestamp", "anonymousId"),
    }


def test_a_librarys_retries_are_captured_once(library, web, key):
    with losing(web.url, UNANSWERED, UNHEARD, UNAVAILABLE, UNANSWERED) as between:
        assert libraries.failed(library.send(between.url, key, events=250)) == 0

    assert users() == everybody(250)
    assert max(between.retries) >= 1
    assert len(between.retries) == 7


def test_a_library_is_told_that_its_key_opens_nothing_and_does_not_try_again(library, web, key):
    with losing(web.url) as between:
        assert libraries.failed(library.send(between.url, "hw_ingest_" + "0" * 64, events=250)) == 250

    assert between.retries == [0, 0, 0]
    assert (stored(), refusals()) == ([], [])


def test_a_chunked_body_is_read_to_its_end(web, key):
    """As Segment's library for Java sends what it has zipped: without a length."""
    headers = {"Authorization": basic(key), "Content-Type": "application/json"}
    parts = iter([b'{"batch": [', json.dumps(track(1)).encode(), b",", json.dumps(track(2)).encode(), b"]}"])
    answer = httpx.post(f"{web.url}/v1/import/", content=parts, headers=headers, trust_env=False)

    assert (answer.status_code, answer.content) == (200, b'{"success": true}')
    assert users() == Counter(["u-1", "u-2"])
    endless = httpx.post(f"{web.url}/v1/batch", content=iter([b" " * 100_000] * 10), headers=headers, trust_env=False)
    assert (endless.status_code, endless.json()["code"]) == (413, "too_large")


def test_whoever_is_refused_gets_the_answer_and_keeps_the_connection(web, key):
    """Gunicorn would close it on a body that was left unread, and the client's library would try again."""
    server = http.client.HTTPConnection(urlsplit(web.url).netloc)
    server.connect()
    socket = server.sock
    good = json.dumps({"batch": [track(1)]})
    statuses = []
    for body, sent_key in ((good.ljust(500_000), "wrong"), (good.ljust(3_000_000), key), (good, key)):
        headers = {"Content-Type": "application/json", "Authorization": basic(sent_key)}
        server.request("POST", "/v1/batch", body, headers)
        with server.getresponse() as answer:
            statuses.append(answer.status)
            answer.read()
    assert server.sock is socket
    server.close()

    assert statuses == [401, 413, 200]
    assert users() == Counter(["u-1"])
