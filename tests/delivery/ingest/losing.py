"""A server between a client and the web server that loses requests and answers as it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

UNHEARD = "unheard"
"""The connection closes before the request is passed on."""
UNANSWERED = "unanswered"
"""The request is passed on, and its answer is lost."""
UNAVAILABLE = "unavailable"
"""503, and nothing is passed on."""


class Losing(ThreadingHTTPServer):
    """`plan` says what becomes of the first requests; the others are passed on. `retries` is what clients counted."""

    daemon_threads = True

    def __init__(self, target: str, plan: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.plan = plan
        self.retries: list[int] = []
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def next_fate(self, retry: int) -> str:
        with self.lock:
            self.retries.append(retry)
            return self.plan.pop(0) if self.plan else ""


class _Handler(BaseHTTPRequestHandler):
    server: Losing

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fate = self.server.next_fate(int(self.headers.get("X-Retry-Count", 0)))
        if fate == UNAVAILABLE:
            self._answer(503, b"")
        elif fate != UNHEARD:
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            answer = httpx.post(f"{self.server.target}{self.path}", content=body, headers=headers, trust_env=False)
            if fate != UNANSWERED:
                self._answer(answer.status_code, answer.content)
        self.close_connection = True

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the default writes to the test's output."""


@contextmanager
def losing(target: str, *plan: str) -> Iterator[Losing]:
    with Losing(target, list(plan)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
