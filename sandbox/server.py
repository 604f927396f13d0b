"""The way of a request: head, fault or not, body, judgement, answer."""

import asyncio
import sys
import time
from typing import Final
from urllib.parse import urlsplit

import h11

from sandbox import answers, debugger
from sandbox.answers import Answer
from sandbox.clock import Clock
from sandbox.connection import BodyTooLong, Connection
from sandbox.control import Control
from sandbox.faults import Do, Fault, Faults
from sandbox.ingest import BadRequest, Body, Ingest
from sandbox.keys import fingerprint, key_of_header, masked
from sandbox.store import RequestLine, Store
from sandbox.workspace import REGIONS, Workspace

KINDS: Final = ("batch", "import", "identify", "track", "page", "screen", "group", "alias")
LOCAL_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")


class StandIn:
    def __init__(self, *, delay: float = 0.0, count_only: bool = False, quiet: bool = False) -> None:
        self.store = Store()
        self.clock = Clock()
        self.faults = Faults()
        self.workspace = Workspace()
        self.ingest = Ingest(self.store, self.workspace, self.clock, count_only=count_only)
        self.control = Control(self.store, self.clock, self.faults, self.workspace)
        self.delay = delay
        self.quiet = quiet

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side ends it."""
        connection = Connection(reader, writer)
        try:
            while request := await connection.request():
                await self._handle(connection, request)
        except h11.RemoteProtocolError:
            await _complain(connection)
        except (BodyTooLong, OSError, asyncio.CancelledError):
            # The client went away or was sent away, or the stand-in stops: only then are connections cancelled.
            pass
        finally:
            writer.close()

    async def _handle(self, connection: Connection, request: h11.Request) -> None:
        path = urlsplit(request.target.decode("ascii")).path
        region, kind = _ingest_target(path)
        local = path == "/" or path.startswith(("/_control/", "/debugger")) or path.endswith("/debugger.json")
        if local and not region:
            await self._handle_local(connection, request, path)
            return
        line = self._begin(request, path, region)
        if not (early := self.faults.take(region, line.key, None)):
            await self._handle_ingest(connection, request, line, kind)
            return
        line.fault = early.do
        if early.do is Do.RESET_MIDDLE:
            await _read_half(connection, request)
        connection.reset()
        raise ConnectionResetError

    def _begin(self, request: h11.Request, path: str, region: str) -> RequestLine:
        key = key_of_header(_header(request, b"authorization")) or ""
        line = RequestLine(0, self.clock.now(), request.method.decode("ascii"), path, region, key)
        self.store.begin_request(line, time.monotonic())
        return line

    async def _handle_ingest(self, connection: Connection, request: h11.Request, line: RequestLine, kind: str) -> None:
        try:
            raw = await connection.body()
        except BodyTooLong:
            await self._answer(connection, request, line, answers.refusal(400, "payload too large"))
            raise
        line.bytes = len(raw)
        fault = self.faults.take(line.region, line.key, raw)
        if self.delay:
            await asyncio.sleep(self.delay)
        body = Body(raw, _header(request, b"content-type"), _header(request, b"content-encoding"))
        answer = self._judge(request, line, kind, body) if not fault or fault.takes_events_in else answers.SUCCESS
        if fault:
            await self._misbehave(connection, request, line, fault, answer)
        else:
            await self._answer(connection, request, line, answer)

    def _judge(self, request: h11.Request, line: RequestLine, kind: str, body: Body) -> Answer:
        if not kind:
            return answers.refusal(404, "not found")
        if request.method != b"POST":
            return answers.refusal(405, "only POST")
        without_key = not line.key
        try:
            self.ingest.take(line, kind, body)
        except BadRequest as error:
            return answers.refusal(400, str(error))
        if without_key:
            # The key was in the body: only now is it known whose request this was.
            self.store.of(line.region, line.key).arrived(time.monotonic())
        return answers.SUCCESS

    async def _misbehave(
        self, connection: Connection, request: h11.Request, line: RequestLine, fault: Fault, answer: Answer
    ) -> None:
        line.fault = fault.do
        await asyncio.sleep(fault.delay_ms / 1000)
        match fault.do:
            case Do.RESET_AFTER:
                connection.reset()
                raise ConnectionResetError
            case Do.HANG:
                await connection.wait_for_hang_up()
                raise ConnectionResetError
            case Do.SLOW:
                await self._answer(connection, request, line, answer, every=fault.every_ms / 1000)
            case Do.DELAY:
                await self._answer(connection, request, line, answer)
            case _:
                await self._answer(connection, request, line, _faulty_answer(fault))

    async def _answer(
        self, connection: Connection, request: h11.Request, line: RequestLine, answer: Answer, *, every: float = 0.0
    ) -> None:
        line.status = answer.status
        if not self.quiet:
            owner = f"{masked(line.key)} {fingerprint(line.key)}" if line.key else "no key"
            sys.stderr.write(f"{line.method} {line.path} {owner} {line.events} events {answer.status} {line.fault}\n")
        bodiless = request.method == b"HEAD"
        await connection.send(answer.status, answer.headers.items(), answer.body, every=every, bodiless=bodiless)

    async def _handle_local(self, connection: Connection, request: h11.Request, path: str) -> None:
        """The debugger and the control: for this machine, under a name of this machine, and for no other web page."""
        body = await connection.body()
        name = _header(request, b"host").rpartition(":")[0] or _header(request, b"host")
        if not connection.peer_is_this_machine() or name not in LOCAL_NAMES:
            answer = answers.refusal(403, "The debugger and the control answer on this machine only.")
        elif path.startswith("/_control/"):
            answer = answers.refusal(403, "Not from a web page.")
            if not _header(request, b"origin"):
                answer = self.control.answer(request.method.decode("ascii"), path, body)
        else:
            key = key_of_header(_header(request, b"authorization"))
            answer = debugger.answer(self.store, request.target.decode("ascii"), key)
        bodiless = request.method == b"HEAD"
        await connection.send(answer.status, answer.headers.items(), answer.body, bodiless=bodiless)


def _ingest_target(path: str) -> tuple[str, str]:
    """("us", "batch") of /us/v1/batch; an empty kind for what a region does not have, empty strings for the rest."""
    region, _, rest = path.strip("/").partition("/")
    if region not in REGIONS or rest == "debugger.json":
        return "", ""
    version, _, kind = rest.partition("/")
    return region, kind if version == "v1" and kind in KINDS else ""


def _header(request: h11.Request, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in request.headers if key == name), "")


def _faulty_answer(fault: Fault) -> Answer:
    match fault.do:
        case Do.UNSUCCESSFUL:
            return answers.refusal(200, "not taken in")
        case Do.HTML:
            return answers.HTML
        case Do.EMPTY:
            return answers.EMPTY
        case Do.REDIRECT:
            status = fault.status if fault.status // 100 == 3 else 302  # noqa: PLR2004  # 3xx
            return Answer(status, b"", {"Location": fault.location, **fault.headers})
    return Answer(fault.status, fault.body.encode(), {"Content-Type": "application/json", **fault.headers})


async def _read_half(connection: Connection, request: h11.Request) -> None:
    half = int(_header(request, b"content-length") or 0) // 2
    try:
        await connection.body(half)
    except BodyTooLong:
        return


async def _complain(connection: Connection) -> None:
    if connection.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        await connection.send(400, [("Connection", "close")], b"")
