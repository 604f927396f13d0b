from datetime import UTC, datetime

import httpcore
import pytest

from delivery.enums import Outcome
from delivery.outcomes import Answer, classify, no_answer, retry_after

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "text", "outcome", "ambiguous"),
    [
        (200, '{"success": true}', Outcome.ACCEPTED, False),
        (200, '{"success":true,"more":1}', Outcome.ACCEPTED, False),
        (200, '{"success": false}', Outcome.NOT_CONFIRMED, True),
        (200, '{"success": "true"}', Outcome.NOT_CONFIRMED, True),
        (200, "[]", Outcome.NOT_CONFIRMED, True),
        (200, "<html>Welcome</html>", Outcome.NOT_CONFIRMED, True),
        (200, "", Outcome.NOT_CONFIRMED, True),
        (204, "", Outcome.NOT_CONFIRMED, True),
        (202, '{"success": true}', Outcome.NOT_CONFIRMED, True),
        (301, "", Outcome.REDIRECTED, False),
        (307, "", Outcome.REDIRECTED, False),
        (400, "", Outcome.REJECTED, False),
        (401, "", Outcome.KEY_REFUSED, False),
        (403, "", Outcome.KEY_REFUSED, False),
        (404, "", Outcome.REJECTED, False),
        (408, "", Outcome.REJECTED, False),
        (413, "", Outcome.REJECTED, False),
        (429, "", Outcome.RATE_LIMITED, False),
        (500, "", Outcome.SERVER_ERROR, True),
        (599, "", Outcome.SERVER_ERROR, True),
        (999, "", Outcome.NOT_CONFIRMED, True),
    ],
)
def test_classify_reads_status_and_body(status, text, outcome, ambiguous):
    assert classify(status, {}, text, NOW) == Answer(outcome, ambiguous, status, text)


def test_classify_keeps_the_beginning_of_an_answer_that_postgresql_takes():
    answer = classify(500, {}, "\x00" + "x" * 1_000, NOW)
    assert answer.text == "\N{REPLACEMENT CHARACTER}" + "x" * 499


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("-5", 0),
        ("3601", 3_600),
        ("9" * 5_000, 3_600),
        ("-" + "9" * 5_000, 0),
        ("Sat, 31 Jan 2026 09:30:20 GMT", 20),
        ("Sat, 31 Jan 2026 09:29:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600),
        ("Sat, 31 Jan 2026 10:30:20 +0100", 20),
        ("", None),
        ("soon", None),
        ("7.5", None),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", None),
        ("Sat, 99 Jan 2026 09:30:20 GMT", None),
    ],
)
def test_retry_after_reads_seconds_and_dates_and_clamps(value, seconds):
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"x-ratelimit-reset": "9"}, 9),
        ({"retry-after": "7", "x-ratelimit-reset": "9"}, 7),
        ({"retry-after": "garbage", "x-ratelimit-reset": "9"}, 9),
        ({}, None),
    ],
)
def test_classify_takes_the_wait_of_a_429_from_either_header(headers, seconds):
    assert classify(429, headers, "", NOW).retry_after == seconds


@pytest.mark.parametrize(
    ("error", "outcome", "ambiguous"),
    [
        (httpcore.ConnectError("x"), Outcome.NOT_SENT, False),
        (httpcore.ConnectTimeout("x"), Outcome.NOT_SENT, False),
        (httpcore.PoolTimeout("x"), Outcome.NOT_SENT, False),
        (httpcore.ReadTimeout("x"), Outcome.TIMEOUT, True),
        (httpcore.WriteTimeout("x"), Outcome.TIMEOUT, True),
        (httpcore.ReadError("x"), Outcome.BROKEN, True),
        (httpcore.WriteError("x"), Outcome.BROKEN, True),
        (httpcore.RemoteProtocolError("x"), Outcome.BROKEN, True),
        (ConnectionResetError("x"), Outcome.BROKEN, True),
    ],
)
def test_no_answer_is_ambiguous_once_a_connection_stood(error, outcome, ambiguous):
    assert no_answer(error) == Answer(outcome, ambiguous, text=type(error).__name__)
