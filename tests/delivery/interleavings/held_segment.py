"""Segment as a server that answers when and what the test decides. It shares no code with the engine."""

import base64
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.delivery.raw_server import raw_server

ANSWERS: Final = {
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + b'{"success":true}',
    "unconfirmed": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "400": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "401": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n",
    "501": b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "reset": b"",
}
ALWAYS_TAKES_IN: Final = {"200"}
NEVER_TAKES_IN: Final = {"400", "401", "429"}
"""After any other answer the sender cannot know, and the test decides."""

HOLDING_SECONDS: Final = 600
PATIENCE_SECONDS: Final = 60
"""For a request that was begun: its permit may be a while ahead."""


@dataclass(eq=False, slots=True)
class Request:
    """`taken_in`: Segment has the events, whatever it answered."""

    region: str
    key: str
    number: int
    message_ids: frozenset[str]
    sent_at: str
    answer: str = ""
    taken_in: bool = False
    decided: threading.Event = field(default_factory=threading.Event)

    def decide(self, answer: str, *, taken_in: bool = True) -> None:
        self.answer = answer
        self.taken_in = answer in ALWAYS_TAKES_IN or (taken_in and answer not in NEVER_TAKES_IN)
        self.decided.set()


class HeldSegment:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.urls: dict[str, str] = {}
        self._by_itself = ""
        self._came = threading.Condition()

    def held(self) -> list[Request]:
        return [request for request in self.requests if not request.decided.is_set()]

    def next(self) -> Request:
        """The oldest request that waits for its answer, once there is one."""
        request = self.wait_for(lambda: next(iter(self.held()), None))
        assert request, "No request came."
        return request

    def wait_for(self, find: Callable[[], Request | None]) -> Request | None:
        """What `find` finds among the requests, now or when others have come."""
        with self._came:
            return self._came.wait_for(find, PATIENCE_SECONDS)

    def answer_by_itself(self, answer: str = "200") -> None:
        """All that waits and all that comes; with "" each request is held again."""
        self._by_itself = answer
        for request in self.held() if answer else ():
            request.decide(answer)

    def forget(self) -> None:
        self._by_itself = ""
        self.requests = []

    def serve(self, region: str, client: socket.socket) -> None:
        while head := _head(client):
            request = self._come(region, head, _exactly(client, int(head["content-length"])))
            request.decided.wait(HOLDING_SECONDS)
            if not ANSWERS[request.answer]:
                # Without lingering the connection ends with a reset.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            client.sendall(ANSWERS[request.answer])

    def _come(self, region: str, head: dict[str, str], body: bytes) -> Request:
        key = base64.b64decode(head["authorization"].split()[1]).decode().rstrip(":")
        content = json.loads(body)
        ids = frozenset(call["messageId"] for call in content["batch"])
        assert len(ids) == len(content["batch"])
        request = Request(region, key, int(head.get("x-retry-count", 0)) + 1, ids, content["sentAt"])
        with self._came:
            self.requests.append(request)
            self._came.notify_all()
        if self._by_itself:
            request.decide(self._by_itself)
        return request


def _head(client: socket.socket) -> dict[str, str]:
    """The headers of the next request, names in lower case; none when the client has left."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            return {}
        received += byte
    lines = received.decode().split("\r\n")[1:-2]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def _exactly(client: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = client.recv(count - len(received))
        if not part:
            raise ConnectionResetError
        received += part
    return received


@contextmanager
def held_segment() -> Iterator[HeldSegment]:
    segment = HeldSegment()
    with ExitStack() as servers:
        for region in ("us", "eu"):
            segment.urls[region] = servers.enter_context(raw_server(partial(segment.serve, region)))
        yield segment
        segment.answer_by_itself("reset")
