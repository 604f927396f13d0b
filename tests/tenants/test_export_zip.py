"""Files as the module writes them, read by the standard library and by a program of its own."""

import io
import json
import os
import zipfile
from datetime import datetime

import pytest

from tenants import export_zip

AT = datetime(2026, 11, 22, 5, 33, 21)  # noqa: DTZ001  # a zip file knows no zones
MEMBERS = [("README.txt", [b"Hello.\n"]), ("empty.jsonl", []), ("d/é.jsonl", [os.urandom(5_000), b"x" * 100_000, b"y"])]


def written(members):
    """By another process after each piece: nothing but JSON is handed on."""
    state: export_zip.State = {}
    file = b""
    for name, chunks in members:
        export_zip.opened(name, state)
        body = b""
        for chunk in chunks:
            state = json.loads(json.dumps(state))
            body += export_zip.packed(chunk, state)
        header, end = export_zip.closed(state, AT)
        file += header + body + end
    return file + export_zip.ended(json.loads(json.dumps(state)))


@pytest.mark.parametrize("largest", [export_zip.LARGEST, 5_000, 0])
def test_members_are_read_as_they_were_written(monkeypatch, largest):
    """With a smaller border all of it is written as for a file beyond four gigabytes."""
    monkeypatch.setattr(export_zip, "LARGEST", largest)
    with zipfile.ZipFile(io.BytesIO(written(MEMBERS))) as file:
        assert file.testzip() is None
        read = {info.filename: (file.read(info), info.date_time) for info in file.infolist()}
    assert read == {name: (b"".join(chunks), (2026, 11, 22, 5, 33, 20)) for name, chunks in MEMBERS}


def test_what_repeats_itself_is_small():
    assert len(written([("events.jsonl", [b'{"type": "track"}\n' * 1_000] * 100)])) < 20_000
