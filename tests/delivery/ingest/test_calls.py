from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.ingest.calls import SINGLE, calls_of

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
ON_TIME = "2026-01-31T09:29:58.000Z"
CALL = {"type": "track", "event": "Report Shared", "userId": "u-1", "timestamp": ON_TIME}


def one(item: dict[str, Any], **batch: Any) -> dict[str, Any]:
    [call] = calls_of("batch", {"batch": [item], **batch}, NOW)
    assert isinstance(call, dict)
    return call


def test_a_call_is_left_as_it_came():
    context = {"library": {"name": "analytics-python", "version": "2.4.0"}, "ip": "203.0.113.7"}
    item = {**CALL, "context": context, "messageId": "m-1", "anonymousId": None}

    assert one(item) == item


def test_what_is_about_the_request_is_taken_off():
    assert one({**CALL, "writeKey": "k", "sentAt": ON_TIME, "_metadata": {"jsRuntime": "node"}}) == CALL
    assert calls_of("track", {**CALL, "writeKey": "k", "sentAt": ON_TIME}, NOW) == [CALL]


@pytest.mark.parametrize("method", SINGLE)
def test_an_endpoint_of_one_call_names_its_type_whatever_the_body_says(method):
    [call] = calls_of(method, CALL, NOW)

    assert call == {**CALL, "type": method}


@pytest.mark.parametrize("item", [None, 7, "text", ["type"], True])
def test_what_is_no_object_is_given_back_for_the_linter_to_refuse(item):
    assert calls_of("batch", {"batch": [item]}, NOW) == [item]


@pytest.mark.parametrize("name", ["context", "integrations"])
def test_what_a_batch_says_holds_for_its_calls_and_theirs_comes_first(name):
    shared = {"app": "shop", "All": False}

    assert one(CALL, **{name: shared})[name] == shared
    assert one({**CALL, name: {"All": True}}, **{name: shared})[name] == {"app": "shop", "All": True}
    assert one({**CALL, name: None}, **{name: shared})[name] == shared
    assert one({**CALL, name: "text"}, **{name: shared})[name] == "text"
    assert one({**CALL, name: {"All": True}}, **{name: None})[name] == {"All": True}


@pytest.mark.parametrize(
    ("fields", "timestamp"),
    [
        ({"timestamp": None}, "2026-01-31T09:30:00.000Z"),
        ({"timestamp": None, "originalTimestamp": ON_TIME}, ON_TIME),
        ({"originalTimestamp": "2020-01-01T00:00:00Z"}, ON_TIME),
    ],
)
def test_a_call_without_a_time_gets_that_of_its_receipt(fields, timestamp):
    item = {name: value for name, value in {**CALL, **fields}.items() if value is not None}

    assert one(item)["timestamp"] == timestamp
    assert one({**CALL, **fields})["timestamp"] == timestamp


@pytest.mark.parametrize(
    ("sent_at", "timestamp"),
    [
        # An hour behind, an hour ahead, in another zone, and without one.
        ("2026-01-31T08:30:00.000Z", "2026-01-31T10:29:58.000Z"),
        ("2026-01-31T10:30:00Z", "2026-01-31T08:29:58.000Z"),
        ("2026-01-31T10:30:00+02:00", "2026-01-31T10:29:58.000Z"),
        ("2026-01-31T08:30:00", "2026-01-31T10:29:58.000Z"),
        ("2026-01-31T09:29:54.999Z", "2026-01-31T09:30:03.001Z"),
        # The way over the network, and what is no time.
        ("2026-01-31T09:29:55Z", ON_TIME),
        ("2026-01-31T09:30:05Z", ON_TIME),
        ("soon", ON_TIME),
        (1_769_852_000, ON_TIME),
        (None, ON_TIME),
    ],
)
def test_a_wrong_clock_is_corrected_as_segment_does(sent_at, timestamp):
    assert one(CALL, sentAt=sent_at)["timestamp"] == timestamp
    assert calls_of("track", {**CALL, "sentAt": sent_at}, NOW) == [{**CALL, "timestamp": timestamp}]


def test_the_sent_at_of_a_call_comes_before_that_of_its_batch():
    assert one({**CALL, "sentAt": "2026-01-31T08:30:00Z"}, sentAt=ON_TIME)["timestamp"] == "2026-01-31T10:29:58.000Z"
    assert one({**CALL, "sentAt": ON_TIME}, sentAt="2026-01-31T08:30:00Z")["timestamp"] == ON_TIME


@pytest.mark.parametrize(
    ("timestamp", "sent_at"),
    [
        ("yesterday", "2026-01-31T08:30:00Z"),
        (1_769_852_000, "2026-01-31T08:30:00Z"),
        # The calendar ends before the corrected time.
        ("0001-01-01T00:00:00Z", "2026-03-31T09:30:00Z"),
        ("9999-12-31T23:59:59Z", "2025-12-31T09:30:00Z"),
        ("0001-01-01T00:00:00+14:00", "2025-12-31T09:30:00Z"),
    ],
)
def test_a_time_that_cannot_be_corrected_is_left_for_the_linter(timestamp, sent_at):
    assert one({**CALL, "timestamp": timestamp}, sentAt=sent_at)["timestamp"] == timestamp


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
times = st.sampled_from(["timestamp", "originalTimestamp", "sentAt"])
texts = st.datetimes().map(datetime.isoformat) | st.text() | json_values


@given(st.dictionaries(times, texts) | st.dictionaries(st.text(), json_values), texts)
def test_no_batch_makes_it_fail(item, sent_at):
    [call] = calls_of("batch", {"batch": [{**CALL, **item}], "sentAt": sent_at}, NOW)

    assert isinstance(call, dict)
    assert "sentAt" not in call
