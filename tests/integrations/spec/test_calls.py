"""The builders put down what they are given, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from integrations.spec import calls
from integrations.spec.linter import lint

NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
EVERYTHING = {
    "user_id": "u-1",
    "anonymous_id": "a-1",
    "context": {"ip": "8.8.8.8"},
    "timestamp": NOON,
    "message_id": "m-1",
}
COMMON = {
    "userId": "u-1",
    "anonymousId": "a-1",
    "context": {"ip": "8.8.8.8"},
    "timestamp": "2026-01-31T12:00:00.123Z",
    "messageId": "m-1",
}
PAGE = {"name": "Home", "category": "Docs", "properties": {"url": "https://example.com"}}
OWN = [
    (calls.track, "track", {"event": "Report Submitted", "properties": {"a": 1}}, {}),
    (calls.identify, "identify", {"traits": {"plan": "free"}}, {}),
    (calls.page, "page", PAGE, {}),
    (calls.screen, "screen", PAGE, {}),
    (calls.group, "group", {"traits": {"plan": "free"}}, {"group_id": ("groupId", "g-1")}),
    (calls.alias, "alias", {}, {"previous_id": ("previousId", "p-1")}),
]


@pytest.mark.parametrize(("build", "kind", "own", "renamed"), OWN)
def test_builder_puts_down_every_field(build, kind, own, renamed):
    arguments = {name: value for name, (_, value) in renamed.items()}

    call = build(**EVERYTHING, **own, **arguments)

    assert call == {"type": kind, **COMMON, **own, **dict(renamed.values())}
    assert lint(call) == []


def test_builder_leaves_out_what_is_absent():
    assert calls.track(event="Report Submitted", user_id="u-1") == {
        "type": "track",
        "event": "Report Submitted",
        "userId": "u-1",
    }
    assert calls.identify() == {"type": "identify"}
    assert calls.page(properties={}) == {"type": "page", "properties": {}}


def test_builder_turns_times_into_utc():
    in_kathmandu = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))

    assert calls.identify(timestamp=in_kathmandu)["timestamp"] == "2026-01-31T12:00:00.123Z"
    assert calls.identify(timestamp="2026-01-31")["timestamp"] == "2026-01-31"


def test_builder_refuses_a_time_without_zone():
    with pytest.raises(ValueError, match="no time zone"):
        calls.identify(timestamp=datetime(2026, 1, 31))  # noqa: DTZ001  # the mistake itself
