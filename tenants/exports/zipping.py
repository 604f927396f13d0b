"""A zip file that is written in pieces, by one process or by several one after the other.

zipfile wants to hold the file open from its first byte to its last. Here all that is known between two pieces is a few
numbers that fit into JSON (`state`), so that a piece is one row of a table and whoever comes next goes on behind it.

A member is compressed a chunk at a time. Each chunk ends on the border of a byte and looks back to none before it, so
chunks follow each other in one stream. The header before a member tells its size, so it is written when the member is
done: its place among the pieces is kept free until then.
"""

import struct
import zlib
from datetime import datetime
from typing import Any, Final

LARGEST: Final = 0xFFFFFFFE
"""Of a size or a place in the first format of 1989. What is larger is written as its later one, ZIP64, has it."""
_ELSEWHERE: Final = 0xFFFFFFFF
_DEFLATED: Final = 8
_NAME_IS_UTF8: Final = 0x800
_ZIP64: Final = 45
"""The version of the format that a reader needs, 4.5: for ZIP64. The program's own is the same."""
_UNIX: Final = 3
_RIGHTS: Final = 0o100600 << 16
_LAST_CHUNK: Final = b"\x03\x00"
"""An empty chunk that says it is the last."""

State = dict[str, Any]


def opened(name: str, state: State) -> None:
    """Begin a member; the one before is closed."""
    state["open"] = {"name": name, "crc": 0, "size": 0, "packed": 0}


def packed(data: bytes, state: State) -> bytes:
    """The next chunk of the member that is open."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    chunk = compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)
    member = state["open"]
    member["crc"] = zlib.crc32(data, member["crc"])
    member["size"] += len(data)
    member["packed"] += len(chunk)
    return chunk


def closed(state: State, at: datetime) -> tuple[bytes, bytes]:
    """The header that comes before the member's chunks, and what comes after them. `at`: its time, UTC."""
    member = state.pop("open")
    member["packed"] += len(_LAST_CHUNK)
    member["time"], member["offset"] = _dos_time(at), state.get("offset", 0)
    header = _header(member)
    state["offset"] = member["offset"] + len(header) + member["packed"]
    state.setdefault("members", []).append(member)
    return header, _LAST_CHUNK


def ended(state: State) -> bytes:
    """The directory, which is the end of the file."""
    count, offset = len(state["members"]), state["offset"]
    entries = b"".join(map(_entry, state["members"]))
    later = b""
    if offset > LARGEST:
        later = _zip64_end(count, len(entries), offset)
        offset = _ELSEWHERE
    return entries + later + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entries), offset, 0)


def _header(member: State) -> bytes:
    name: bytes = member["name"].encode()
    sizes, extra = (member["packed"], member["size"]), b""
    if max(sizes) > LARGEST:
        extra = struct.pack("<2H2Q", 1, 16, member["size"], member["packed"])
        sizes = (_ELSEWHERE, _ELSEWHERE)
    fixed = struct.pack("<4s3H2H3L2H", b"PK\3\4", *_kind(member), *sizes, len(name), len(extra))
    return fixed + name + extra


def _entry(member: State) -> bytes:
    name: bytes = member["name"].encode()
    sizes, offset, extra = (member["packed"], member["size"]), member["offset"], b""
    if max(*sizes, offset) > LARGEST:
        extra = struct.pack("<2H3Q", 1, 24, member["size"], member["packed"], offset)
        sizes, offset = (_ELSEWHERE, _ELSEWHERE), _ELSEWHERE
    fixed = struct.pack("<4s2B3H2H3L2H", b"PK\1\2", _ZIP64, _UNIX, *_kind(member), *sizes, len(name), len(extra))
    return fixed + struct.pack("<3H2L", 0, 0, 0, _RIGHTS, offset) + name + extra


def _kind(member: State) -> tuple[int, ...]:
    """What both places tell of a member."""
    date, time = member["time"]
    return (_ZIP64, _NAME_IS_UTF8, _DEFLATED, time, date, member["crc"])


def _zip64_end(count: int, length: int, offset: int) -> bytes:
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, _ZIP64, _ZIP64, 0, 0, count, count, length, offset)
    return record + struct.pack("<4sLQL", b"PK\6\7", 0, offset + length, 1)


def _dos_time(at: datetime) -> tuple[int, int]:
    """Date and time as MS-DOS wrote them, to two seconds."""
    return (at.year - 1980) << 9 | at.month << 5 | at.day, at.hour << 11 | at.minute << 5 | at.second // 2
