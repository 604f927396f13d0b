from datetime import UTC, datetime

import pytest

from integrations.envelope import complete

INTEGRATION = {"name": "acme-mail", "version": "2.1.0"}


@pytest.fixture(autouse=True)
def _integration(settings):
    settings.INTEGRATION_SLUG = "acme-mail"
    settings.INTEGRATION_VERSION = "2.1.0"


def test_complete_adds_integration_and_timestamp():
    before = datetime.now(UTC)

    call = complete({"type": "track", "event": "Email Opened", "userId": "u1"})

    stamped = datetime.fromisoformat(call.pop("timestamp"))
    assert call == {"type": "track", "event": "Email Opened", "userId": "u1", "context": {"integration": INTEGRATION}}
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= stamped <= datetime.now(UTC)


def test_complete_writes_the_timestamp_as_segment_does():
    assert len(complete({})["timestamp"]) == len("2025-11-03T09:15:30.123Z")
    assert complete({})["timestamp"].endswith("Z")


def test_complete_replaces_nothing_but_the_integration():
    said = {
        "timestamp": "2025-11-03T09:15:30.123Z",
        "context": {"ip": "203.0.113.9", "integration": {"name": "somebody else"}},
        "userId": "u1",
    }

    assert complete(said) == {**said, "context": {"ip": "203.0.113.9", "integration": INTEGRATION}}


def test_complete_leaves_its_argument_alone():
    said = {"userId": "u1", "context": {"ip": "203.0.113.9"}}

    complete(said)

    assert said == {"userId": "u1", "context": {"ip": "203.0.113.9"}}


@pytest.mark.parametrize("context", ["text", 7, ["list"]])
def test_complete_leaves_a_bad_context_for_the_linter(context):
    assert complete({"context": context})["context"] == context
