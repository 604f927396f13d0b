import json
import logging
import os
import subprocess
import sys

import pytest
from django.test import Client

from config.logs import JsonFormatter, PlainFormatter
from config.supervisor import Program

SECRET = "a customer's own words"


def record(message="Attempt ended: %s.", *arguments, error=None, **extra):
    made = logging.LogRecord("delivery.turn", logging.WARNING, "turn.py", 7, message, arguments, error)
    made.created = 1_769_851_800.25
    made.__dict__.update(extra)
    return made


def raised():
    """The exc_info of an error with a payload in its message, its cause's and its notes."""
    try:
        try:
            raise KeyError(SECRET)  # noqa: TRY301  # to be the cause of the next
        except KeyError as cause:
            cause.add_note(SECRET)
            raise ValueError(f"Failing row contains ({SECRET})") from cause
    except ValueError:
        return sys.exc_info()


def written(made):
    return json.loads(JsonFormatter().format(made))


def test_json_is_one_line_with_time_level_logger_and_message():
    text = JsonFormatter().format(record("Two\nlines: %s", "é"))
    assert "\n" not in text
    assert json.loads(text) == {
        "time": "2026-01-31T09:30:00.250+00:00",
        "level": "WARNING",
        "logger": "delivery.turn",
        "message": "Two\nlines: é",
    }


def test_json_has_the_ids_and_nothing_else_of_extra():
    ids = {"tenant_id": 1, "source_id": 2, "batch_id": 3, "attempt_id": 4, "source_ids": [5]}
    entry = written(record("Sent.", **ids, payload=SECRET, request=SECRET))
    assert {name: value for name, value in entry.items() if name.endswith(("_id", "_ids"))} == ids
    assert SECRET not in json.dumps(entry)


def test_json_of_an_error_has_kinds_and_places_without_values():
    entry = written(record("It failed.", error=raised()))
    assert [each["type"] for each in entry["error"]] == ["ValueError", "KeyError"]
    (place,) = entry["error"][0]["places"]
    assert place.startswith("tests/config/test_logs.py:")
    assert place.endswith(" raised")
    assert SECRET not in json.dumps(entry)


@pytest.mark.parametrize("formatter", [JsonFormatter(), PlainFormatter()])
def test_message_that_quotes_its_error_loses_the_quotation(formatter):
    """As Celery's does when a task fails."""
    error = raised()
    text = formatter.format(record("Task failed: %s, %r.", error[1], error[1].__cause__, error=error))
    assert "Task failed: ValueError, KeyError." in text
    assert SECRET not in text


def test_plain_of_an_error_has_kinds_and_places_without_values():
    made = record("It failed.", error=raised(), exc_text=f"Traceback ... {SECRET}")
    first, *rest = PlainFormatter("%(levelname)s %(name)s: %(message)s").format(made).splitlines()
    assert first == "WARNING delivery.turn: It failed."
    assert rest[0] == "  ValueError"
    assert rest[1].startswith("    at tests/config/test_logs.py:")
    assert SECRET not in "\n".join(rest)
    assert made.exc_text == f"Traceback ... {SECRET}"


TOKEN = "9Jb2kQ-x_T0"


@pytest.mark.parametrize("formatter", [JsonFormatter(), PlainFormatter()])
@pytest.mark.parametrize(
    "address",
    ["/invitation/{}/", "/accounts/confirm-email/{}/", "/accounts/password/reset/key/1-{}/", "/invitation/x/{}"],
)
def test_address_of_a_request_that_failed_loses_its_secret(caplog, formatter, address):
    """Django tells of it: of one that may not be posted to, for instance."""
    client = Client(enforce_csrf_checks=True)
    assert client.post(address.format(TOKEN)).status_code in {403, 404}
    lines = [formatter.format(made) for made in caplog.records]
    assert any(": /" in line and "/********" in line for line in lines)
    assert TOKEN not in "".join(lines)


def test_address_of_a_page_stays_in_the_message():
    address = "/t/acme/invitations/5/revoke/"
    assert written(record("Not Found: %s", address))["message"] == f"Not Found: {address}"


def test_json_of_what_json_cannot_say_names_its_kind():
    assert written(record("Sent.", source_id=object()))["source_id"] == "object"


def test_error_that_is_its_own_context_ends():
    error = ValueError("again")
    error.__context__ = KeyError("and again")
    error.__context__.__context__ = error
    entry = written(record("It failed.", error=(ValueError, error, None)))
    assert [each["type"] for each in entry["error"]] == ["ValueError", "KeyError"]


def test_supervisor_sees_the_errors_of_either_form(tmp_path):
    log = tmp_path / "child.log"
    made = record("It failed.")
    made.levelname = "CRITICAL"
    plain = PlainFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s").format(made)
    log.write_text(f"{JsonFormatter().format(made)}\n{plain}\n{JsonFormatter().format(record('Fine.'))}\n")
    assert len(Program("child", [], log).new_errors()) == 2


@pytest.mark.parametrize(("demo", "given", "form"), [("0", "", "json"), ("1", "", "plain"), ("0", "plain", "plain")])
def test_log_format_is_json_outside_the_demo(demo, given, form):
    environment = {**os.environ, "DEMO": demo, "LOG_FORMAT": given}
    code = "from config import settings; print(settings.LOGGING['handlers']['console']['formatter'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{form}\n"
