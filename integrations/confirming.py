"""Whether what is sent arrives: only the customer can see it, in Segment, for a 200 says nothing (segment.md).

A test event carries a code; the customer finds it in Segment's Source Debugger and types it back. That confirms the
write key and the region that it was sent with: the source's version. With the next key or region it is asked for again.
"""

import hmac
from datetime import timedelta
from enum import Enum, auto
from typing import Final

from django.utils import timezone

from integrations.enums import SourceState
from integrations.errors import SourceStateError
from integrations.locking import locked_source
from integrations.models import ConnectionTest, Source
from integrations.signals import calls_due
from integrations.trial import cleaned_code, new_code, trial_call

BETWEEN_TESTS: Final = timedelta(seconds=15)
"""Asked for again sooner, the test event is the one on its way: a button pressed twice sends one."""

MAX_WRONG_CODES: Final = 5
"""For one code. The next one comes with a new test event, so that nobody can go through all codes."""


class Answer(Enum):
    """What a typed code comes to."""

    CONFIRMED = auto()
    CONFIRMED_BEFORE = auto()
    WRONG = auto()
    TOO_MANY = auto()
    NOTHING_SENT = auto()


def send_test(source: Source) -> bool:
    """Send a test event with a new code; False when one was sent a moment ago. Raises SourceStateError."""
    with locked_source(source):
        if source.state != SourceState.CONNECTED:
            state = source.get_state_display().lower()
            raise SourceStateError(f"“{source.name}” is {state}: a test event is sent only while it is connected.")
        test = newest_test(source) or ConnectionTest(source=source)
        if test.version == source.version and timezone.now() - test.sent_at < BETWEEN_TESTS:
            return False
        test.version, test.code, test.sent_at, test.wrong_codes = source.version, new_code(), timezone.now(), 0
        test.save()
        calls_due.send(sender=Source, source=source, calls=[trial_call(test.code)])
    return True


def confirm(source: Source, typed: str) -> Answer:
    """Take a code that somebody has typed. Raises SourceStateError when the source is gone."""
    with locked_source(source):
        if source.is_confirmed:
            return Answer.CONFIRMED_BEFORE
        test = newest_test(source)
        if test is None or test.version != source.version:
            return Answer.NOTHING_SENT
        if test.wrong_codes >= MAX_WRONG_CODES:
            return Answer.TOO_MANY
        if hmac.compare_digest(cleaned_code(typed).encode(), test.code.encode()):
            source.confirmed_version = source.version
            source.save(update_fields=["confirmed_version"])
            return Answer.CONFIRMED
        return _count_wrong(test)


def newest_test(source: Source) -> ConnectionTest | None:
    """The newest test event of the source, whatever its version."""
    return ConnectionTest.objects.filter(source=source).first()


def _count_wrong(test: ConnectionTest) -> Answer:
    test.wrong_codes += 1
    test.save(update_fields=["wrong_codes"])
    return Answer.WRONG if test.wrong_codes < MAX_WRONG_CODES else Answer.TOO_MANY
