"""Files as the module writes them, read by the standard library and by a program of its own."""

import io
import json
import os
import zipfile
from datetime import datetime

import pytest

from tenants.exports import zipping

AT = datetime(2026, 11, 22, 5, 33, 21)  # noqa: DTZ001  # a zip file knows no zones
MEMBERS = [("README.txt", [b"Hello.\n"]), ("empty.jsonl", []), ("d/é.jsonl", [os.urandom(5_000), b"x" * 100_000, b"y"])]


def written(members):
    """By another process after each piece: nothing but JSON is handed on."""
    state: zipping.State = {}
    file = b""
    for name, chunks in members:
        zipping.opened(name, state)
        body = b""
        for chunk in chunks:
            state = json.loads(json.dumps(state))
            body += zipping.packed(chunk, state)
        header, end = zipping.closed(state, AT)
        file += header + body + end
    return file + zipping.ended(json.loads(json.dumps(state)))


@pytest.mark.parametrize("largest", [zipping.LARGEST, 5_000, 0])
def test_members_are_read_as_they_were_written(monkeypatch, largest):
    """With a smaller border all of it is written as for a file beyond four gigabytes."""
    monkeypatch.setattr(zipping, "LARGEST", largest)
    with zipfile.ZipFile(io.BytesIO(written(MEMBERS))) as file:
        assert file.testzip() is None
        read = {info.filename: (file.read(info), info.date_time) for info in file.infolist()}
    assert read == {name: (b"".join(chunks), (2026, 11, 22, 5, 33, 20)) for name, chunks in MEMBERS}


def test_what_repeats_itself_is_small():
    assert len(written([("events.jsonl", [b'{"type": "track"}\n' * 1_000] * 100)])) < 20_000
