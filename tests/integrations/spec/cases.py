"""For each code a call that has just this finding, and the nearest call that has none."""

from typing import Any

GOOD: dict[str, Any] = {"type": "track", "userId": "u-1", "event": "Report Submitted"}


def track(**fields: Any) -> dict[str, Any]:
    """The good call with other fields; one that is `...` is left out."""
    return {name: value for name, value in (GOOD | fields).items() if value is not ...}


def with_properties(**properties: Any) -> dict[str, Any]:
    return track(properties=properties)


def ordered(**properties: Any) -> dict[str, Any]:
    return track(event="Order Completed", properties={"products": [], **properties})


def nested(levels: int) -> dict[str, Any]:
    """A call of exactly so many levels."""
    value: Any = 1
    for _ in range(levels - 1):
        value = {"a": value}
    return track(properties=value)


CASES: dict[str, tuple[Any, Any]] = {
    "call_not_object": ([GOOD], GOOD),
    "type_unknown": (track(type="click"), GOOD),
    "event_missing": (track(event="  "), GOOD),
    "event_not_string": (track(event=5), GOOD),
    "name_not_string": (
        {"type": "page", "userId": "u-1", "name": 5},
        {"type": "page", "userId": "u-1", "name": "Home"},
    ),
    "category_not_string": (
        {"type": "screen", "userId": "u-1", "category": ""},
        {"type": "screen", "userId": "u-1", "category": "Docs"},
    ),
    "properties_not_object": (track(properties=["a"]), track(properties={"a": 1})),
    "traits_not_object": (
        {"type": "identify", "userId": "u-1", "traits": "a"},
        {"type": "identify", "userId": "u-1", "traits": {"plan": "free"}},
    ),
    "context_not_object": (track(context="a"), track(context={"ip": "8.8.8.8"})),
    "integrations_not_object": (track(integrations=True), track(integrations={"All": True})),
    "integration_bad": (
        track(context={"integration": {"name": "headwater", "version": 1}}),
        track(context={"integration": {"name": "headwater", "version": "1.0.0"}}),
    ),
    "no_identity": (track(userId=...), GOOD),
    "id_not_string": (track(userId=42), track(userId="42")),
    "id_empty": (track(anonymousId=""), track(anonymousId="a-1")),
    "id_missing": ({"type": "group", "userId": "u-1"}, {"type": "group", "userId": "u-1", "groupId": "g-1"}),
    "no_user_id": (track(userId=..., anonymousId="a-1"), track(anonymousId="a-1")),
    "user_id_is_email": (track(userId="ann@example.com"), track(userId="ann")),
    "user_id_placeholder": (track(userId="undefined"), track(userId="undefined-1")),
    "message_id_bad": (track(messageId="m" * 100), track(messageId="m" * 99)),
    "timestamp_bad": (track(timestamp="31.1.2026"), track(timestamp="2026-01-31T09:30:00Z")),
    "timestamp_without_zone": (track(timestamp="2026-01-31T09:30:00"), track(timestamp="2026-01-31T09:30:00+01:00")),
    "value_not_json": (with_properties(a=b"x"), with_properties(a="x")),
    "number_not_finite": (with_properties(a=float("nan")), with_properties(a=1.5)),
    "number_too_large": (with_properties(a=2**64), with_properties(a=2**64 - 1)),
    "text_not_unicode": (with_properties(a="\ud83d"), with_properties(a="\U0001f600")),
    "text_has_nul": (with_properties(a="x\0"), with_properties(a="x\n")),
    "key_not_string": (track(properties={5: 1}), track(properties={"five": 1})),
    "too_deep": (nested(101), nested(100)),
    "too_many_properties": (with_properties(a=[1] * 10_000), with_properties(a=[1] * 9_990)),
    "field_misnamed": (track(messageID="m-1"), track(messageId="m-1")),
    "field_misplaced": (track(ip="8.8.8.8"), track(context={"ip": "8.8.8.8"})),
    "field_unknown": (track(colour="red"), with_properties(colour="red")),
    "field_set_by_sender": (track(sentAt="2026-01-31T09:30:00Z"), track(timestamp="2026-01-31T09:30:00Z")),
    "lookalike": (track(event="Opened Email"), track(event="Email Opened")),
    "event_casing": (track(event="report submitted"), track(event="Report Submitted to the API")),
    "event_name_dynamic": (track(event="Report 20260131 Submitted"), track(event="Report 5 Submitted")),
    "property_casing": (with_properties(orderId="5"), with_properties(order_id="5")),
    "property_type": (ordered(order_id=5), ordered(order_id="5")),
    "property_missing": (track(event="Order Completed"), ordered()),
    "trait_type": (
        {"type": "identify", "userId": "u-1", "traits": {"created_at": 1769850000}},
        {"type": "identify", "userId": "u-1", "traits": {"created_at": "2026-01-31"}},
    ),
    "context_type": (track(context={"ip": {}}), track(context={"ip": "8.8.8.8"})),
    "money_as_text": (ordered(revenue="19.99"), ordered(revenue=19.99)),
    "money_in_cents": (ordered(total=1999, currency="USD"), ordered(total=1999, currency="JPY")),
    "currency_not_iso": (ordered(currency="$"), ordered(currency="eur")),
}

SIZES: dict[str, tuple[int, int]] = {"too_large": (32_001, 32_000)}
"""Codes that the caller's `size` decides on: one too many, and just right."""

LINES: dict[str, tuple[bytes, bytes]] = {
    "line_too_long": (
        b'{"type": "track", "userId": "u-1", "event": "Report Submitted"}' + b" " * 1_000_000,
        b'{"type": "track", "userId": "u-1", "event": "Report Submitted"}' + b" " * 900_000,
    ),
    "line_not_utf8": (
        b'{"type": "track", "userId": "\xfc", "event": "Report Submitted"}',
        b'{"type": "track", "userId": "\xc3\xbc", "event": "Report Submitted"}',
    ),
    "line_not_json": (
        b'{"type": "track", "userId": "u-1", "event": "Report Submitted",}',
        b'{"type": "track", "userId": "u-1", "event": "Report Submitted"}',
    ),
    "duplicate_key": (
        b'{"type": "track", "userId": "u-1", "userId": "u-2", "event": "Report Submitted"}',
        b'{"type": "track", "userId": "u-1", "event": "Report Submitted"}',
    ),
}
"""Codes that are about the text of a file's line."""
