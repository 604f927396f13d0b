"""What the client of a real server sees: Django's test client hands over a body that a server would have to read."""

import base64
import json
import socket
from urllib.parse import urlsplit

import pytest

from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose
from integrations.inbound.views import MAX_BODY_BYTES
from integrations.models import Person
from tenants.scoping import every_tenant
from tests.clients.web import web_of_test

pytestmark = pytest.mark.django_db(transaction=True)

IDENTIFY = {"type": "identify", "userId": "u-7"}


@pytest.fixture
def key(tenant):
    return issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=None)[1].reveal()


@pytest.fixture
def ingest_key(tenant):
    return issue_api_key(tenant, KeyPurpose.INGEST, name="Web shop", by=None)[1].reveal()


@pytest.fixture(scope="module")
def web(tmp_path_factory, django_db_setup):
    with web_of_test(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture
def connected(web):
    address = urlsplit(web.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as found:
        yield found


def post(connected, size, key, content_type="application/json", method="POST"):
    """The status, once all of the body is sent: a client that is cut off in the middle has none."""
    body = json.dumps(IDENTIFY).ljust(size).encode()
    authorization = base64.b64encode(f"{key}:".encode()).decode()
    head = (
        f"{method} /segment/inbound HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {authorization}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connected.sendall(head.encode())
    connected.sendall(body)
    return answered(connected)


def answered(connected):
    """The status of the answer, read to its end, so that the next one of the connection begins where it should."""
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        head += received(connected)
    head, body = head.split(b"\r\n\r\n", 1)
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += received(connected)
    assert json.loads(body)["message"]
    return int(head.split()[1])


def received(connected):
    part = connected.recv(65_536)
    assert part, "the connection ended before the answer did"
    return part


def test_whoever_is_refused_gets_the_answer_and_keeps_the_connection(connected, key, ingest_key):
    """Gunicorn would reset it on a body that was left unread, and Segment would try again for hours."""
    large = MAX_BODY_BYTES - 1_000_000
    assert [
        post(connected, large, "wrong"),
        post(connected, large, ingest_key),
        post(connected, large, key, "text/plain"),
        post(connected, large, key, method="PUT"),
        post(connected, MAX_BODY_BYTES + 1_000_000, key),
        post(connected, large, key),
    ] == [401, 403, 415, 405, 413, 200]
    with every_tenant():
        assert [person.user_id for person in Person.objects.all()] == ["u-7"]
