"""A mail server that takes the line and never says a word: it keeps one thread of a worker, and the sweep goes on."""

import socket
import threading

import pytest

from delivery.alerts import mailing
from delivery.alerts.looking import look_around
from delivery.alerts.models import AlertMail
from delivery.alerts.telling import tell_news
from delivery.outbox import capture
from integrations.spec.calls import track
from tests.conftest import WRITE_KEY
from tests.delivery.alerts.conftest import age_news, hold
from tests.delivery.steps import in_thread
from tests.delivery.test_worker import until, worker

pytestmark = pytest.mark.django_db(transaction=True)


class SilentServer:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lines: list[socket.socket] = []
        self.thread = threading.Thread(target=self._take)
        self.thread.start()

    def _take(self) -> None:
        while True:
            try:
                self.lines.append(self.listener.accept()[0])
            except OSError:
                return

    def hang_up(self) -> None:
        """On those who wait, and on who comes later."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        for line in self.lines:
            line.close()


@pytest.fixture
def silent_server():
    server = SilentServer()
    yield server
    if server.thread.is_alive():
        server.hang_up()


@pytest.fixture
def two_mails_due(source, other_source, owner, stranger):
    """The sources send again by the time that their mails are due."""
    hold(source)
    hold(other_source)
    look_around()
    age_news()
    tell_news()
    source.lane.delete()
    other_source.lane.delete()


@pytest.mark.usefixtures("two_mails_due")
def test_second_thread_sends_nothing_while_one_waits_for_the_mail_server(silent_server, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", silent_server.port
    waits = in_thread(mailing.send_due_alone)
    until(lambda: silent_server.lines)
    mailing.send_due_alone()
    assert (len(silent_server.lines), waits.done()) == (1, False)
    silent_server.hang_up()
    waits.result(60)
    assert list(AlertMail.objects.values_list("state", "tries")) == [("waiting", 1)] * 2


@pytest.mark.usefixtures("two_mails_due")
def test_worker_goes_on_while_a_mail_server_hangs(silent_server, source, segment, monkeypatch):
    monkeypatch.setenv("EMAIL_URL", f"smtp://127.0.0.1:{silent_server.port}")
    mailing.hint_if_due()
    mailing.hint_if_due()
    with worker(segment, "--concurrency", "2"):
        until(lambda: silent_server.lines)
        capture(source.tenant_id, track(event="Order Completed", user_id="u-1"))
        until(lambda: segment.events("us", WRITE_KEY))
        assert len(silent_server.lines) == 1
        silent_server.hang_up()
