"""`mail_server`: a few lines for what Django's SMTP backend meets: takes, refusals, a line that goes dead.

`refusing_provider`: the same for django-anymail, an email provider that takes no mail to anybody.
"""

import json
import socketserver
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

PERMANENT = b"550 5.1.1 No such mailbox\r\n"
TEMPORARY = b"450 4.7.1 Greylisted, come back later\r\n"


class MailServer(socketserver.ThreadingTCPServer):
    """`answers` maps an address to what RCPT is told; `dies_after` cuts the line after so many mails taken."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.answers: dict[str, bytes] = {}
        self.dies_after: int | None = None
        self.connections = 0
        self.mails: list[tuple[str, bytes]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def recipients(self) -> list[str]:
        return [recipient for recipient, _raw in self.mails]

    def parsed(self):
        return [message_from_bytes(raw, policy=policy.default) for _recipient, raw in self.mails]


class _Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.server.connections += 1
        recipient = ""
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().decode().strip():
            command = line.upper()
            if command.startswith("QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            if command.startswith("DATA"):
                if len(self.server.mails) == self.server.dies_after:
                    return
                self.wfile.write(b"354 go on\r\n")
                self.server.mails.append((recipient, self._mail()))
                self.wfile.write(b"250 taken\r\n")
            elif command.startswith("RCPT"):
                recipient = line[line.index("<") + 1 : line.index(">")]
                self.wfile.write(self.server.answers.get(recipient, b"250 fine\r\n"))
            else:
                self.wfile.write(b"250 fine\r\n")

    def _mail(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)


@pytest.fixture
def mail_server(settings):
    """A real SMTP server on loopback that the settings lead to."""
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield server
        server.shutdown()
        thread.join()


class _Refusal(BaseHTTPRequestHandler):
    """As Postmark answers for an address that its mails came back from."""

    def do_POST(self) -> None:
        to = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["To"]
        told = f"Found inactive addresses: {to}. Inactive recipients are ones that have generated a hard bounce."
        body = json.dumps({"ErrorCode": 406, "Message": told}).encode()
        self.send_response(422)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing to the terminal."""


@pytest.fixture
def refusing_provider(settings):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusal) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        url = f"http://127.0.0.1:{server.server_port}/"
        settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "token", "POSTMARK_API_URL": url}
        yield
        server.shutdown()
        thread.join()
