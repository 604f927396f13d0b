"""The quick look: it says yes to no call that has an error, and it does say yes to the calls of every day."""

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.spec.codes import CODES
from integrations.spec.findings import Finding, Severity
from integrations.spec.limits import MAX_DEPTH, MAX_EVENT_BYTES, MAX_PROPERTIES
from integrations.spec.linter import find_errors, lint
from integrations.spec.sound import is_sound
from tests.integrations.spec.cases import CASES, GOOD, track, with_properties


class Colour(Enum):
    RED = "red"


class Shade(StrEnum):
    DARK = "dark"


class Text(str):
    __slots__ = ()


@dataclass
class Point:
    x: int


ODD = st.one_of(
    st.sampled_from([None, "", " ", "\0", "a\0b", "null", "\\u0000", "\ud800", "ü", "2026-01-31", "x" * 100]),
    st.sampled_from([True, 0, 7, -1, 2**63, 2**64, -(2**64), 1.5, float("nan"), float("inf"), [], {}, (), ({"a": 1},)]),
    st.sampled_from([b"bytes", {1: 2}, {None: 1}, {Text("a"): 1}, Text("text"), Shade.DARK, object]),
    st.sampled_from([uuid.UUID(int=7), Colour.RED, Point(1), date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC)]),
    st.sampled_from([{"integration": None}, {"integration": {"name": "a", "version": " "}}, {"integration": {}}]),
)
FIELDS = st.sampled_from(
    [
        "type",
        "event",
        "userId",
        "anonymousId",
        "groupId",
        "previousId",
        "messageId",
        "timestamp",
        "originalTimestamp",
        "context",
        "properties",
        "traits",
        "integrations",
        "name",
        "category",
        "else",
    ]
)
BASES = st.sampled_from(
    [
        GOOD,
        {"type": "identify", "userId": "u-1", "traits": {"email": "a@example.com"}},
        {"type": "page", "anonymousId": "a-1", "name": "Home"},
        {"type": "group", "userId": "u-1", "groupId": "g-1"},
        {"type": "alias", "userId": "u-1", "previousId": "p-1"},
    ]
)
VALUES = st.recursive(
    ODD | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
CALLS = st.builds(lambda base, more: {**base, **more}, BASES, st.dictionaries(FIELDS, VALUES, max_size=3))


def encoded(call: dict[str, Any]) -> bytes:
    """As capture does it: a messageId is left out."""
    return orjson.dumps({name: value for name, value in call.items() if name != "messageId"})


def errors_of(call: dict[str, Any], size: int) -> list[Finding]:
    return [finding for finding in lint(call, size=size) if finding.severity is Severity.ERROR]


@given(CALLS)
def test_find_errors_finds_what_lint_finds(call):
    try:
        text = encoded(call)
    except (TypeError, ValueError):  # capture has refused it already
        return
    assert find_errors(call, text, size=len(text)) == errors_of(call, len(text))


@pytest.mark.parametrize("code", [name for name in CASES if CODES[name].severity is Severity.WARNING])
def test_is_sound_lets_a_mere_warning_pass(code):
    bad, good = CASES[code]
    assert is_sound(bad, encoded(bad))
    assert is_sound(good, encoded(good))


@pytest.mark.parametrize(
    "call",
    [
        track(properties={"a": None, "b": [1, {"c": None}]}),
        track(messageId="order-42", timestamp="2026-01-31T09:30:00.000Z", anonymousId="a-1"),
        track(context={"integration": {"name": "a", "version": "1"}}, integrations={"All": True}, traits=None),
        with_properties(text="the \\u0000 of a handbook, and null"),
        with_properties(many=["x"] * 6_000),
        {"type": "page", "userId": "u-1"},
        {"type": "screen", "userId": "u-1", "name": "Home", "category": None},
        {"type": "group", "userId": "u-1", "groupId": "g-1"},
        {"type": "alias", "userId": "u-1", "previousId": "p-1"},
    ],
)
def test_is_sound_says_yes_to_good_calls(call):
    assert is_sound(call, encoded(call))
    assert errors_of(call, 100) == []


@pytest.mark.parametrize("value", [uuid.uuid4(), Colour.RED, datetime(2026, 1, 31, tzinfo=UTC), Point(1), float("nan")])
def test_is_sound_says_no_to_what_orjson_takes_and_json_has_not(value):
    call = with_properties(a=[value])
    assert not is_sound(call, encoded(call))


def test_is_sound_keeps_the_limits():
    deep: Any = "bottom"
    for _ in range(MAX_DEPTH):
        deep = [deep]
    for bad in (
        with_properties(a=deep),
        with_properties(a=[1] * MAX_PROPERTIES),
        with_properties(a="x" * MAX_EVENT_BYTES),
    ):
        assert not is_sound(bad, encoded(bad))


def test_find_errors_counts_the_size_it_is_told():
    assert [finding.code for finding in find_errors(GOOD, encoded(GOOD), size=MAX_EVENT_BYTES + 1)] == ["too_large"]
    assert find_errors(GOOD, encoded(GOOD), size=MAX_EVENT_BYTES) == []
