"""How log records are written: as one JSON object a line for programs, or plain for people. No payload, no secret.

An exception's message may quote a payload or a row of the database. So of exceptions only the class and the places are
written, in both forms, and a message that quotes its exception loses the quotation. Django logs the address of a
request that failed: of one that opens something to whoever has it, the secret part is left out.
"""

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

IDS: Final = ("tenant_id", "source_id", "source_ids", "batch_id", "attempt_id", "region")
"""What `extra` may add to a line; anything else in it stays out."""

ROOT: Final = Path(__file__).resolve().parent.parent
SHORTEST_QUOTATION: Final = 4
"""Characters: a message without those of a shorter one would be unreadable."""

SECRET_ADDRESS: Final = re.compile(r"(/invitation/|/accounts/password/reset/key/|/accounts/confirm-email/)\S+")


class JsonFormatter(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`, the ids, and `error`: a list, the exception before its causes."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **{name: getattr(record, name) for name in IDS if hasattr(record, name)},
        }
        if error := _error(record):
            entry["error"] = [{"type": _kind(each), "places": _places(each)} for each in _chain(error)]
        return json.dumps(entry, default=_kind)


class PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        safe = logging.makeLogRecord({**record.__dict__, "msg": _message(record), "args": None})
        # Another handler's formatter may have left the exception's text here.
        safe.exc_info = safe.exc_text = None
        lines = [super().format(safe)]
        if error := _error(record):
            for each in _chain(error):
                lines += [f"  {_kind(each)}", *(f"    at {place}" for place in _places(each))]
        return "\n".join(lines)


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    error = _error(record)
    for each in _chain(error) if error else ():
        for quotation in (repr(each), str(each)):
            if len(quotation) >= SHORTEST_QUOTATION:
                message = message.replace(quotation, _kind(each))
    return SECRET_ADDRESS.sub(r"\1********", message)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it came from, without going round in circles."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _kind(value: object) -> str:
    return type(value).__qualname__


def _places(error: BaseException) -> list[str]:
    """File, line and function of each frame, the outermost first; no source, no values."""
    return [f"{_file(frame.filename)}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]


def _file(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
