import base64
import logging
import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from queue import SimpleQueue
from urllib.parse import urlsplit

import pytest
from django.db import transaction

from delivery import client, clock
from delivery.client import batch_url, post_batch
from delivery.enums import Outcome
from delivery.errors import InsecureUrlError
from integrations.enums import Region
from integrations.secrets import Secret
from tests.conftest import WRITE_KEY
from tests.delivery.raw_server import raw_server
from tests.delivery.steps import in_thread
from tests.waiting import eventually

KEY = Secret(WRITE_KEY)
BODY = b'{"batch":[],"sentAt":"2026-01-31T09:30:00.000Z"}'
ACCEPTED = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"success":true}'
CALL = b'{"type":"track","event":"Email Opened","userId":"u-1","messageId":"m-1"}'


@pytest.fixture
def url(segment):
    return batch_url(Region.US)


def read_request(connection):
    """The head of the request, once its body is read too."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += some_bytes(connection)
    head, _, rest = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(rest) < length:
        rest += some_bytes(connection)
    return head


def some_bytes(connection):
    """Raises ConnectionResetError when the client has left, which ends the server's thread."""
    if not (received := connection.recv(65_536)):
        raise ConnectionResetError
    return received


def test_post_is_accepted(segment, url):
    answer = post_batch(url, KEY, b'{"batch":[%s],"sentAt":"2026-01-31T09:30:00.000Z"}' % CALL)
    assert (answer.outcome, answer.status_code, answer.ambiguous) == (Outcome.ACCEPTED, 200, False)
    assert [call["event"] for call in segment.events("us", WRITE_KEY)] == ["Email Opened"]


def test_post_is_held_back_when_the_connection_stands_and_nothing_has_left():
    connected, heads = threading.Event(), []

    def serve(connection):
        connected.set()
        heads.append(read_request(connection))
        connection.sendall(ACCEPTED)

    def before():
        assert connected.wait(10)
        assert heads == []

    with raw_server(serve) as url:
        assert post_batch(url + "/batch", KEY, BODY, before=before).outcome == Outcome.ACCEPTED
    assert len(heads) == 1


def test_post_that_is_given_up_while_it_is_held_back_sends_nothing():
    received: SimpleQueue[bytes] = SimpleQueue()

    def before():
        raise LookupError

    with raw_server(lambda connection: received.put(connection.recv(1))) as url:
        with pytest.raises(LookupError):
            post_batch(url + "/batch", KEY, BODY, before=before)
        assert received.get(timeout=10) == b""


def test_post_sends_the_key_in_the_header_alone():
    heads = []

    def serve(connection):
        heads.append(read_request(connection))
        connection.sendall(ACCEPTED)

    with raw_server(serve) as url:
        assert post_batch(url + "/batch", KEY, BODY, number=3).outcome == Outcome.ACCEPTED
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "POST /v1/batch HTTP/1.1"
    assert "Authorization: Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode() in lines
    assert "Content-Type: application/json" in lines
    assert "X-Retry-Count: 2" in lines
    assert WRITE_KEY not in heads[0].decode()


def test_post_keeps_the_connection_open():
    connections = []

    def serve(connection):
        connections.append(connection)
        while True:
            read_request(connection)
            connection.sendall(ACCEPTED)

    with raw_server(serve) as url:
        outcomes = [post_batch(url + "/batch", KEY, BODY).outcome for _ in range(3)]
    assert outcomes == [Outcome.ACCEPTED] * 3
    assert len(connections) == 1


@pytest.fixture
def no_clients():
    """None that another test left, nor one of ours for the next."""
    client.close_connections()
    yield
    client.close_connections()


@pytest.mark.usefixtures("no_clients")
def test_posts_at_once_have_a_connection_each_and_the_next_take_the_one_last_given_back():
    served, first_answered = [], threading.Event()

    def serve(connection):
        while True:
            head = read_request(connection)
            number = int(head.partition(b"X-Retry-Count: ")[2].split(b"\r\n")[0] or 0)
            served.append((number, connection))
            if number == 1:
                assert first_answered.wait(20)
            connection.sendall(ACCEPTED)

    with raw_server(serve) as url:
        slow = in_thread(lambda: post_batch(url + "/batch", KEY, BODY, number=2))
        assert eventually(lambda: served)
        assert post_batch(url + "/batch", KEY, BODY, number=3).outcome == Outcome.ACCEPTED
        first_answered.set()
        assert slow.result(20).outcome == Outcome.ACCEPTED
        later = [post_batch(url + "/batch", KEY, BODY, number=number).outcome for number in (4, 5)]
    assert later == [Outcome.ACCEPTED] * 2
    connections = dict(served)
    assert connections[1] is not connections[2]
    assert connections[1] is connections[3] is connections[4]


@pytest.mark.usefixtures("no_clients")
def test_post_after_the_other_side_has_closed_opens_another_connection():
    connections, closed = [], threading.Event()

    def serve(connection):
        connections.append(connection)
        read_request(connection)
        connection.sendall(ACCEPTED)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with raw_server(serve) as url:
        for count in (1, 2):
            assert post_batch(url + "/batch", KEY, BODY).outcome == Outcome.ACCEPTED
            assert closed.wait(20)
            closed.clear()
            assert len(connections) == count


@pytest.mark.usefixtures("no_clients")
def test_connections_that_are_closed_are_closed_for_the_other_side_too():
    left = threading.Event()

    def serve(connection):
        try:
            while True:
                read_request(connection)
                connection.sendall(ACCEPTED)
        except ConnectionResetError:
            left.set()

    with raw_server(serve) as url:
        assert post_batch(url + "/batch", KEY, BODY).outcome == Outcome.ACCEPTED
        assert not left.is_set()
        client.close_connections()
        assert left.wait(20)


@pytest.mark.usefixtures("no_clients")
def test_clients_read_the_certificates_of_the_authorities_once(segment, url, monkeypatch):
    client._trusted.cache_clear()  # noqa: SLF001  # whatever was read by the tests before
    made = []
    make = ssl.create_default_context

    def counted():
        made.append(make())
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    for _ in range(3):
        assert post_batch(url, KEY, BODY).outcome == Outcome.ACCEPTED
        client.close_connections()
    assert len(made) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_post_follows_no_redirect(segment, url, status):
    segment.fault("us", "redirect", status=status, location=f"{segment.eu_url}/batch")
    answer = post_batch(url, KEY, BODY)
    assert (answer.outcome, answer.ambiguous) == (Outcome.REDIRECTED, False)
    assert len(segment.requests()) == 1


@pytest.mark.parametrize("fault", ["unsuccessful", "html", "empty"])
def test_post_takes_no_other_200_for_acceptance(segment, url, fault):
    segment.fault("us", fault)
    answer = post_batch(url, KEY, BODY)
    assert (answer.outcome, answer.status_code, answer.ambiguous) == (Outcome.NOT_CONFIRMED, 200, True)


@pytest.mark.parametrize("fault", ["reset_before", "reset_middle", "reset_after"])
def test_post_tells_of_a_broken_connection(segment, url, fault):
    segment.fault("us", fault)
    answer = post_batch(url, KEY, b'{"batch":["%s"]}' % (b"x" * 400_000))
    assert (answer.outcome, answer.ambiguous) == (Outcome.BROKEN, True)


def test_post_to_a_closed_port_has_surely_not_arrived():
    with raw_server(read_request) as url:
        pass
    answer = post_batch(url + "/batch", KEY, BODY)
    assert (answer.outcome, answer.ambiguous, answer.text) == (Outcome.NOT_SENT, False, "ConnectError")


def test_post_to_an_unknown_host_has_surely_not_arrived():
    answer = post_batch("https://segment.invalid/v1/batch", KEY, BODY)
    assert (answer.outcome, answer.ambiguous) == (Outcome.NOT_SENT, False)


@contextmanager
def resolving(monkeypatch, *addresses):
    """What the system's resolver knows of segment.test; without addresses it hangs until the end of the block."""
    real, ended = socket.getaddrinfo, threading.Event()

    def ask(host, *args, **kwargs):
        if host != "segment.test":
            return real(host, *args, **kwargs)
        if not addresses:
            ended.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, args[0] or 0)) for address in addresses]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", ask)
        yield
        ended.set()
    # Else the next test would share a lookup of this one's.
    assert eventually(lambda: "lookup of segment.test" not in {thread.name for thread in threading.enumerate()})


@contextmanager
def swallowing(address, port):
    """A listener whose queue is full: whoever connects gets no answer at all."""
    with socket.create_server((address, port), backlog=0), ExitStack() as waiting:
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((address, port))
        yield


def named(url):
    return url.replace("127.0.0.1", "segment.test") + "/batch"


def answer_once(connection):
    read_request(connection)
    connection.sendall(ACCEPTED)


@pytest.mark.usefixtures("no_clients")
def test_post_ends_at_its_deadline_when_nobody_says_where_the_host_is(monkeypatch):
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 0.5)
    with resolving(monkeypatch):
        answers = [post_batch("http://segment.test/v1/batch", KEY, BODY) for _ in range(2)]
    assert {(a.outcome, a.ambiguous, a.text) for a in answers} == {(Outcome.NOT_SENT, False, "ConnectTimeout")}


@pytest.mark.usefixtures("no_clients")
def test_post_goes_to_the_next_address_when_one_refuses(monkeypatch):
    with raw_server(answer_once) as url, resolving(monkeypatch, "127.0.0.2", "127.0.0.1"):
        assert post_batch(named(url), KEY, BODY).outcome == Outcome.ACCEPTED


@pytest.mark.usefixtures("no_clients")
def test_post_tries_no_other_address_after_its_deadline(monkeypatch):
    """Else the time of the next one would begin anew, and the request would be sent after its end."""
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 0.5)
    with (
        raw_server(answer_once) as url,
        swallowing("127.0.0.2", urlsplit(url).port),
        resolving(monkeypatch, "127.0.0.2", "127.0.0.1"),
    ):
        answer = post_batch(named(url), KEY, BODY)
    assert (answer.outcome, answer.ambiguous, answer.text) == (Outcome.NOT_SENT, False, "ConnectTimeout")


def drip_headers(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(400):
        connection.sendall(b"x")
        time.sleep(0.05)


def drip_body(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n")
    for _ in range(400):
        connection.sendall(b" ")
        time.sleep(0.05)


def say_nothing(connection):
    read_request(connection)
    time.sleep(20)


@pytest.mark.parametrize("serve", [drip_headers, drip_body, say_nothing])
def test_post_ends_at_its_deadline_however_slowly_an_answer_comes(monkeypatch, serve):
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 1.0)
    with raw_server(serve) as url:
        answer = post_batch(url + "/batch", KEY, BODY)
    assert (answer.outcome, answer.ambiguous, answer.text) == (Outcome.TIMEOUT, True, "ReadTimeout")


def read_nothing(_connection):
    time.sleep(20)


def test_post_ends_at_its_deadline_when_nobody_reads(monkeypatch):
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 1.0)
    with raw_server(read_nothing) as url:
        answer = post_batch(url + "/batch", KEY, b"x" * 20_000_000)
    assert (answer.outcome, answer.ambiguous) == (Outcome.TIMEOUT, True)


def test_post_reads_a_date_to_wait_for_by_the_clock_of_the_database(monkeypatch):
    """It is a day past there, while this machine believes that it has yet to come."""
    monkeypatch.setattr(clock.Ahead, "seconds", None)
    clock.learn(datetime(2300, 1, 2, tzinfo=UTC))
    until = format_datetime(datetime(2300, 1, 1, tzinfo=UTC), usegmt=True)

    def serve(connection):
        read_request(connection)
        connection.sendall(f"HTTP/1.1 429 Wait\r\nRetry-After: {until}\r\nContent-Length: 0\r\n\r\n".encode())

    with raw_server(serve) as url:
        assert post_batch(url + "/batch", KEY, BODY).retry_after == 0


def test_post_reads_the_beginning_of_an_endless_answer():
    def serve(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 999999999\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    with raw_server(serve) as url:
        answer = post_batch(url + "/batch", KEY, BODY)
    assert (answer.outcome, answer.text) == (Outcome.SERVER_ERROR, "x" * 500)


def test_post_masks_a_key_that_the_answer_quotes():
    encoded = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()

    def serve(connection):
        read_request(connection)
        text = f"no such key: {WRITE_KEY}, {encoded}".encode()
        connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

    with raw_server(serve) as url:
        answer = post_batch(url + "/batch", KEY, BODY)
    assert answer.text == "no such key: ********, ********"


def test_post_logs_no_key_and_no_body(segment, url, caplog):
    caplog.set_level(logging.DEBUG)
    post_batch(url, KEY, b'{"batch":[%s]}' % CALL)
    assert WRITE_KEY not in caplog.text
    assert base64.b64encode(f"{WRITE_KEY}:".encode()).decode() not in caplog.text
    assert "Email Opened" not in caplog.text


def test_post_uses_no_proxy_of_the_environment(segment, url, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    client.close_connections()
    assert post_batch(url, KEY, b'{"batch":[%s]}' % CALL).outcome == Outcome.ACCEPTED


def test_client_serves_many_threads(segment, url):
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(post_batch(url, KEY, BODY).outcome)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert len(segment.requests()) == 8


@pytest.mark.django_db
def test_post_refuses_to_run_inside_a_transaction(segment, url):
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        post_batch(url, KEY, BODY)
    assert segment.requests() == []


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.segment.io/v1", "https://api.segment.io/v1/batch"),
        ("https://api.segment.io/v1/", "https://api.segment.io/v1/batch"),
        ("http://127.0.0.1:9000/us/v1", "http://127.0.0.1:9000/us/v1/batch"),
        ("http://localhost:9000/us/v1", "http://localhost:9000/us/v1/batch"),
        ("http://[::1]:9000/us/v1", "http://[::1]:9000/us/v1/batch"),
    ],
)
def test_batch_url_is_https_or_loopback(settings, base, url):
    settings.SEGMENT_URLS = {"us": base}
    assert batch_url(Region.US) == url


@pytest.mark.parametrize("base", ["http://api.segment.io/v1", "http://127.0.0.1.evil.test/v1", "ftp://127.0.0.1/v1"])
def test_batch_url_refuses_a_key_in_the_clear(settings, base):
    settings.SEGMENT_URLS = {"us": base}
    with pytest.raises(InsecureUrlError, match="SEGMENT_US_URL must be https"):
        batch_url(Region.US)
