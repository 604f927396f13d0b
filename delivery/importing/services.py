"""Importing a file of history into a source: begin, and go on until all is captured.

A chunk of rows and the place where it ends are committed together, so a process that is killed leaves nothing half
done, and the next run goes on behind the last chunk.
"""

import time
from itertools import islice
from typing import Final

from django.db import transaction

from delivery import refusals
from delivery.clock import ClockTimestamp
from delivery.enums import RefusalReason
from delivery.importing.checking import Progress, Tell
from delivery.importing.errors import ImportFileError, RowError
from delivery.importing.history import History, Row
from delivery.importing.known import known_to
from delivery.importing.models import FileImport
from delivery.importing.room import waits_for
from delivery.outbox import Captured, capture_or_raise
from delivery.preparing import Rejected
from integrations.enums import SourceState
from integrations.models import Source
from integrations.spec.calls import Call
from integrations.spec.findings import Finding, Severity
from tenants import audit
from tenants.models import User
from tenants.scoping import scope

ROWS_IN_CHUNK: Final = 1_000
"""Captured in about a tenth of a second: what a live event of the source has to wait for at its capture."""

PAUSE_SECONDS: Final = 0.1

IMPORTING_STATES: Final = (SourceState.CONNECTED, SourceState.PAUSED)
"""Of a source whose events are only shown, or not even captured, a file would be used up for nothing."""


def check_source(source: Source) -> None:
    """Raises ImportFileError when the source takes no history."""
    if source.state not in IMPORTING_STATES:
        raise ImportFileError(f"The source {source.name} is {source.get_state_display().lower()}: connect it first.")


def find(source: Source, digest: str) -> FileImport | None:
    """The import of this file that was begun before, finished or not."""
    with scope(source.tenant_id):
        return FileImport.objects.filter(source=source, digest=digest).first()


def begin(source: Source, history: History, digest: str, *, by: User | None, requested_by: str) -> FileImport:
    """Note that the file is to be imported. Twice at once, both get the same row."""
    check_source(source)
    facts = {
        "tenant_id": source.tenant_id, "file_name": history.path.name, "file_bytes": history.size(),
        "requested_by": requested_by, "started_at": ClockTimestamp(),
    }  # fmt: skip
    with scope(source.tenant_id), transaction.atomic():
        record, fresh = FileImport.objects.get_or_create(source=source, digest=digest, defaults=facts)
        if fresh:
            audit.note(
                source.tenant_id, by, "began the import of", record.file_name,
                source=source.name, bytes=record.file_bytes,
            )  # fmt: skip
    return record


def run(record: FileImport, history: History, tell: Tell, *, by: User | None = None) -> FileImport:
    """Import what is left of the file, behind the live events of the source; `tell` may raise to stop.

    Raises ImportFileError when the file changes meanwhile, somebody else imports it, or the source takes no more.
    """
    stamp = history.path.stat().st_mtime_ns
    rows = history.rows(record.position, record.line)
    with scope(record.tenant_id):
        while chunk := list(islice(rows, ROWS_IN_CHUNK)):
            _wait_for_room(record, tell)
            if history.path.stat().st_mtime_ns != stamp:
                raise ImportFileError(f"The file changed while it was read. What came before line {record.line} stays.")
            record = _import_chunk(record, chunk)
            tell(_progress(record))
        return _finish(record, by)


def _wait_for_room(record: FileImport, tell: Tell) -> None:
    while why := waits_for(record.source_id):
        tell(_progress(record, why))
        time.sleep(PAUSE_SECONDS)


def _progress(record: FileImport, why: str = "") -> Progress:
    return Progress(record.position, record.file_bytes, record.line, why)


def _import_chunk(record: FileImport, chunk: list[Row]) -> FileImport:
    with transaction.atomic():
        locked = FileImport.objects.select_for_update().select_related("source").filter(pk=record.pk).first()
        if locked is None:
            raise ImportFileError("The source, and the import with it, was deleted.")
        if locked.position != record.position:
            raise ImportFileError("Another process is importing this file: nothing was done twice.")
        check_source(locked.source)
        captured = _capture(locked.source, chunk)
        locked.captured += len(captured.event_ids)
        locked.duplicates += captured.duplicates
        locked.refused += len(captured.refused)
        locked.position, locked.line = chunk[-1].position, chunk[-1].lines
        locked.save(update_fields=["captured", "duplicates", "refused", "position", "line"])
    return locked


def _capture(source: Source, chunk: list[Row]) -> Captured:
    """`duplicates` are the rows that the source had before, today or months ago."""
    calls = [row.content for row in chunk if not isinstance(row.content, RowError)]
    known = known_to(source, map(_id_of, calls))
    fresh = [call for call in calls if _id_of(call) not in known]
    captured = capture_or_raise(source.tenant_id, fresh, sources=[source])
    captured.duplicates += len(calls) - len(fresh)
    problems = [_rejected(row.line, row.content) for row in chunk if isinstance(row.content, RowError)]
    captured.refused += refusals.record([source], problems)
    return captured


def _id_of(call: Call) -> str:
    """What is no text is left for the linter to name."""
    return call["messageId"] if isinstance(call["messageId"], str) else ""


def _rejected(line: int, error: RowError) -> Rejected:
    """Of what was no call there is nothing to show but where it stands."""
    remedy = "Correct the row and import the file again."
    finding = Finding(Severity.ERROR, error.code, f"line {line}", str(error), remedy)
    reason = RefusalReason.SPEC if error.code == "timestamp_missing" else RefusalReason.NOT_JSON
    return Rejected({}, reason, [finding])


def _finish(record: FileImport, by: User | None) -> FileImport:
    with transaction.atomic():
        finished = FileImport.objects.filter(pk=record.pk, finished_at=None).update(finished_at=ClockTimestamp())
        record.refresh_from_db()
        if finished:
            audit.note(
                record.tenant_id, by, "finished the import of", record.file_name,
                captured=record.captured, duplicates=record.duplicates, refused=record.refused,
            )  # fmt: skip
    return record
