"""One HTTP/1.1 connection: h11 on asyncio streams, with the means to misbehave on purpose."""

import asyncio
import socket
import struct
from collections.abc import Iterable

import h11

CHUNK = 256 * 1024
MAX_BODY = 8_000_000
"""Read whole, so that the answer to an oversized body arrives; beyond it the connection is closed."""


class BodyTooLong(Exception):  # noqa: N818  # named for what the request is
    pass


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.http = h11.Connection(h11.SERVER)

    async def _event(self) -> object:
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self.http.they_are_waiting_for_100_continue:
                self.writer.write(self._encode(h11.InformationalResponse(status_code=100, headers=[])))
            self.http.receive_data(await self.reader.read(CHUNK))

    async def request(self) -> h11.Request | None:
        """The head of the next request, or None when the client is done."""
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        if self.http.our_state is not h11.IDLE:
            return None
        event = await self._event()
        return event if isinstance(event, h11.Request) else None

    async def body(self, most: int = MAX_BODY) -> bytes:
        """The body, or as soon as more than `most` bytes of it are there, BodyTooLong."""
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            parts.append(bytes(event.data))
            size += len(event.data)
            if size > most:
                raise BodyTooLong
        if not isinstance(event, h11.EndOfMessage):
            raise ConnectionResetError
        return b"".join(parts)

    async def send(
        self,
        status: int,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        *,
        every: float = 0.0,
        bodiless: bool = False,
    ) -> None:
        """Answer. `every` > 0 sends a byte at a time with that many seconds between two."""
        head = [*headers, ("Content-Length", str(len(body)))]
        data = self._encode(h11.Response(status_code=status, headers=head))
        if not bodiless:
            data += self._encode(h11.Data(data=body))
        data += self._encode(h11.EndOfMessage())
        if every:
            await self._trickle(data, every)
        else:
            self.writer.write(data)
            await self.writer.drain()

    def _encode(self, event: h11.Event) -> bytes:
        return self.http.send(event) or b""

    async def _trickle(self, data: bytes, every: float) -> None:
        for position in range(len(data)):
            self.writer.write(data[position : position + 1])
            await self.writer.drain()
            await asyncio.sleep(every)

    async def wait_for_hang_up(self) -> None:
        while await self.reader.read(CHUNK):
            pass

    def reset(self) -> None:
        """Break the connection with a RST, whatever is still unread or unsent."""
        handle: socket.socket = self.writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def peer_is_this_machine(self) -> bool:
        host = self.writer.get_extra_info("peername")[0]
        return host in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
