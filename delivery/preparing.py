"""What is done to a call before it is stored: completed, encoded once, linted, and read for the columns of the log."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from delivery.encoding import MESSAGE_ID_BYTES, encode, storable
from delivery.enums import RefusalReason
from delivery.errors import NotJsonError
from integrations.envelope import complete
from integrations.spec.calls import Call
from integrations.spec.findings import Finding, Severity
from integrations.spec.linter import find_errors, lint

COLUMN_CHARACTERS: Final = 500
"""Of a name or an id in the log's columns: an index row of PostgreSQL holds 2,704 bytes. The payload has them whole."""

_USUAL_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
"""Needs no reading by Python: the linter has done it, and PostgreSQL does."""

REASONS: Final = {
    "too_large": RefusalReason.TOO_LARGE,
    "no_identity": RefusalReason.NO_IDENTITY,
    "call_not_object": RefusalReason.NOT_JSON,
    "key_not_string": RefusalReason.NOT_JSON,
    "number_not_finite": RefusalReason.NOT_JSON,
    "number_too_large": RefusalReason.NOT_JSON,
    "text_not_unicode": RefusalReason.NOT_JSON,
    "too_deep": RefusalReason.NOT_JSON,
    "value_not_json": RefusalReason.NOT_JSON,
}
"""Which findings are a reason of their own; any other error breaks the Spec."""


class Prepared(NamedTuple):
    """A call that may be captured: its JSON without messageId, and the columns."""

    encoded: bytes
    client_id: str
    type: str
    name: str
    user_id: str
    occurred_at: str
    """In ISO-8601 with a zone; empty when it is a time that PostgreSQL may not have."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A call that may not, why, and what the linter found."""

    call: Any
    reason: RefusalReason
    findings: list[Finding] = field(default_factory=list)


def prepare(call: Any) -> Prepared | Rejected:
    if not isinstance(call, dict):
        return _rejected(call, _errors(lint(call)))
    completed = complete(call)
    try:
        encoded = encode(_without_message_id(completed))
    except NotJsonError as error:
        return _rejected(call, _errors(lint(completed)) or [_not_json(error)])
    errors = find_errors(completed, encoded, size=len(encoded) + MESSAGE_ID_BYTES)
    return _rejected(call, errors) if errors else _read(completed, encoded)


def _without_message_id(call: Call) -> Call:
    """Each source's events get one of their own."""
    return {name: value for name, value in call.items() if name != "messageId"} if "messageId" in call else call


def name_of(call: Call) -> str:
    """The event of a track, the name of a page or screen, else empty."""
    return storable(call.get("event") or call.get("name"), COLUMN_CHARACTERS)


def person_of(call: Call) -> str:
    return storable(call.get("userId") or call.get("anonymousId"), COLUMN_CHARACTERS)


def _read(call: Call, encoded: bytes) -> Prepared:
    moment = _moment(call["timestamp"] or "")
    return Prepared(encoded, call.get("messageId") or "", call["type"], name_of(call), person_of(call), moment)


def _moment(timestamp: str) -> str:
    """In a form that PostgreSQL reads, too.

    Empty for what Python's calendar does not have, like a leap second: the column then gets the time of capture.
    """
    if _USUAL_TIME.fullmatch(timestamp):
        return timestamp
    try:
        moment = datetime.fromisoformat(timestamp)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return ""


def _errors(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == Severity.ERROR]


def _not_json(error: NotJsonError) -> Finding:
    text = f"The call cannot be written as JSON: {error}."
    return Finding(Severity.ERROR, "value_not_json", "", text, "Send texts, numbers, booleans, lists and objects.")


def _rejected(call: Any, findings: list[Finding]) -> Rejected:
    reasons = [REASONS[finding.code] for finding in findings if finding.code in REASONS]
    return Rejected(call, reasons[0] if reasons else RefusalReason.SPEC, findings)
