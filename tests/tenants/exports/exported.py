"""An export made and read: what each app put in."""

import io
import json
import zipfile
from typing import Any

from tenants.exports.making import run
from tenants.exports.models import Export
from tenants.exports.services import ask_for_export, file_of
from tenants.models import Tenant, User


def exported(tenant: Tenant, owner: User) -> dict[str, Any]:
    """The files by name: lists of rows, and the text of the README."""
    asked = ask_for_export(tenant, by=owner)
    run(60)
    return read(asked)


def read(asked: Export) -> dict[str, Any]:
    asked.refresh_from_db()
    with zipfile.ZipFile(io.BytesIO(b"".join(file_of(asked)))) as file:
        texts = {name: file.read(name).decode() for name in file.namelist()}
    return {
        name: [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else text
        for name, text in texts.items()
    }
