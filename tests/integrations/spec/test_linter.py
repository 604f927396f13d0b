"""The linter: each code alone, what several rules make of one call, and that nothing at all makes it fail."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.spec import json_lines
from integrations.spec.codes import CODES
from integrations.spec.findings import Finding, Severity
from integrations.spec.linter import MAX_ERRORS, MAX_WARNINGS, lint
from tests.integrations.spec.cases import CASES, GOOD, LINES, SIZES, ordered, track, with_properties


def codes_of(call, **options) -> list[str]:
    return [finding.code for finding in lint(call, **options)]


def paths_of(call, code) -> list[str]:
    return [finding.path for finding in lint(call) if finding.code == code]


def test_cases_cover_every_code():
    assert json_lines.DUPLICATE_KEY.name in CODES
    assert {*CASES, *SIZES, *LINES} == set(CODES)


@pytest.mark.parametrize("code", CASES)
def test_lint_finds_the_code_and_nothing_else(code):
    bad, _ = CASES[code]

    found = lint(bad)

    assert [finding.code for finding in found] == [code]
    assert found[0].severity is CODES[code].severity
    assert found[0].message
    assert found[0].remedy


@pytest.mark.parametrize("code", CASES)
def test_lint_leaves_the_nearest_good_call_alone(code):
    _, good = CASES[code]

    assert lint(good) == []


@pytest.mark.parametrize("code", SIZES)
def test_lint_takes_the_size_from_the_caller(code):
    too_much, just_right = SIZES[code]

    assert codes_of(GOOD, size=too_much) == [code]
    assert codes_of(GOOD, size=just_right) == []


@pytest.mark.parametrize(
    ("call", "paths"),
    [
        (track(userId=..., user_id="u-1"), ["user_id"]),
        (track(userId=..., userID="u-1"), ["userID"]),
        (track(type=..., action="track"), ["action"]),
        (track(context={"user_agent": "Mozilla"}), ["context.user_agent"]),
        (track(context={"groupID": "g"}), ["context.groupID"]),
    ],
)
def test_lint_names_fields_in_another_spelling(call, paths):
    assert paths_of(call, "field_misnamed") == paths


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (track(userAgent="Mozilla"), "Send it as context.userAgent."),
        (track(email="a@example.com"), "Send it as context.traits.email."),
        (track(traits={"email": "a@example.com"}), "Send it as context.traits."),
        ({"type": "identify", "userId": "u", "properties": {"a": 1}}, "Send it as traits."),
        ({"type": "identify", "userId": "u", "first_name": "Ann"}, "Send it as traits.firstName."),
        (track(context={"email": "a@example.com"}), "Send it as context.traits.email."),
        (track(context={"user_id": "u"}), "Send it as userId, at the top of the call."),
    ],
)
def test_lint_says_where_a_misplaced_field_belongs(call, remedy):
    found = [finding.remedy for finding in lint(call) if finding.code == "field_misplaced"]

    assert found == [remedy]


def test_lint_lets_a_tool_put_its_own_id_into_the_context():
    assert lint(track(context={"yourToolId": "5", "custom_thing": 1})) == []


def test_lint_leaves_what_segments_own_clients_send_alone():
    python = track(anonymousId=None, integrations={}, timestamp="2026-01-31T09:30:00+00:00", messageId="m-1")
    node = track(_metadata={"nodeVersion": "22.0.0"}, context={"library": {"name": "@segment/analytics-node"}})

    assert lint(python) == []
    assert lint(node) == []


def test_lint_takes_null_for_absent():
    assert lint(track(anonymousId=None, properties=None, context=None, messageId=None, timestamp=None)) == []


@pytest.mark.parametrize("value", [True, 0, 1.5, [], {}])
def test_lint_refuses_ids_that_are_no_strings(value):
    assert codes_of(track(userId=value)) == ["id_not_string"]


@pytest.mark.parametrize("kind", ["group", "alias"])
def test_lint_refuses_an_empty_id_of_group_and_alias(kind):
    field = {"group": "groupId", "alias": "previousId"}[kind]

    assert codes_of({"type": kind, "userId": "u", field: " "}) == ["id_empty"]
    assert codes_of({"type": kind, "userId": "u", field: 5}) == ["id_not_string"]


@pytest.mark.parametrize("value", ["", 5, [], "m" * 100, "   "])
def test_lint_refuses_a_message_id_that_segment_would_not_take(value):
    assert codes_of(track(messageId=value)) == ["message_id_bad"]


@pytest.mark.parametrize(
    "value", [1769850000, "", "yesterday", "2026-13-01", "20260131T093000Z", "2015-2-02T00:30:08Z"]
)
def test_lint_refuses_a_timestamp_that_is_not_iso(value):
    assert codes_of(track(timestamp=value)) == ["timestamp_bad"]


@pytest.mark.parametrize(
    "integration", [None, "headwater", {}, {"name": "", "version": "1.0.0"}, {"name": "h"}, {"version": "1.0.0"}]
)
def test_lint_refuses_an_integration_without_name_or_version(integration):
    assert set(codes_of(track(context={"integration": integration}))) == {"integration_bad"}


@pytest.mark.parametrize("value", [Decimal("1.5"), datetime(2026, 1, 31, tzinfo=UTC), {1, 2}, object(), b"x"])
def test_lint_refuses_what_json_does_not_have(value):
    assert codes_of(with_properties(a={"b": [value]})) == ["value_not_json"]
    assert paths_of(with_properties(a={"b": [value]}), "value_not_json") == ["properties.a.b[0]"]


@pytest.mark.parametrize("name", ["x\0", "\ud800"])
def test_lint_looks_at_field_names_too(name):
    assert {finding.severity for finding in lint(track(properties={name: 1}))} == {Severity.ERROR, Severity.WARNING}


def test_lint_survives_ten_thousand_levels():
    call = track(properties={})
    inner = call["properties"]
    for _ in range(10_000):
        inner["a"] = {}
        inner = inner["a"]

    assert codes_of(call) == ["too_deep"]


def test_lint_ends_on_an_object_that_holds_itself():
    properties: dict[str, Any] = {"a": []}
    properties["a"] += [properties, properties]

    assert codes_of(track(properties=properties)) == ["too_deep"]


def test_lint_ends_on_an_object_that_is_shared_into_millions():
    shared: list[Any] = [1]
    for _ in range(60):
        shared = [shared, shared]

    assert codes_of(with_properties(a=shared)) == ["too_many_properties"]


def test_lint_gives_a_bounded_number_of_findings_errors_first():
    names = {f"Prop-{number}": float("nan") for number in range(1_000)}

    found = lint(track(properties=names))

    assert [finding.severity for finding in found] == [Severity.ERROR] * MAX_ERRORS + [Severity.WARNING] * MAX_WARNINGS


@pytest.mark.parametrize("name", ["revenue", "value", "price", "total", "subtotal", "tax", "shipping", "discount"])
def test_lint_warns_of_money_as_text(name):
    assert codes_of(with_properties(**{name: "$19.99"})) == ["money_as_text"]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"discount": "10%"}, []),
        ({"price": "on request"}, []),
        ({"revenue": "a lot"}, ["money_as_text"]),
        ({"revenue": 4999}, ["money_in_cents"]),
        ({"revenue": 4999, "tax": 1.5}, []),
        ({"revenue": 5000}, []),
        ({"revenue": 999}, []),
        ({"revenue": 4999.0}, []),
        ({"price_cents": 1}, ["money_in_cents"]),
        ({"value": 1999}, []),
        ({"value": 1999, "currency": "USD"}, ["money_in_cents"]),
        ({"total": 2500, "products": [{"price": 10, "quantity": 2}, {"price": 5}]}, ["money_in_cents"]),
        ({"total": 2500, "products": [{"price": 1000, "quantity": 2}, {"price": 500}]}, []),
        ({"total": 2500, "products": [{"price": "free"}, 5, {"price": float("inf")}]}, ["number_not_finite"]),
        ({"revenue": 10**5000 + 1}, ["number_too_large"]),
        ({"currency": 5}, ["currency_not_iso", "property_type"]),
    ],
)
def test_lint_knows_money(properties, expected):
    assert codes_of(with_properties(**properties)) == expected


def test_lint_looks_at_the_products_of_an_order():
    call = ordered()
    call["properties"]["products"] = [{"price": 5}, {"price": "5"}, {"sku": 5}]

    assert [(finding.code, finding.path) for finding in lint(call)] == [
        ("money_as_text", "properties.products[1].price"),
        ("property_type", "properties.products[2].sku"),
    ]


def test_lint_accepts_the_camel_case_that_the_spec_itself_has():
    assert lint(track(event="Video Quality Updated", properties={"droppedFrames": 3})) == []


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("orderId", "order_id"),
        ("Order ID", "order_id"),
        ("order-id", "order_id"),
        ("HTTPStatus", "http_status"),
        ("__x", "x"),
    ],
)
def test_lint_proposes_the_snake_case_name(name, proposal):
    (found,) = lint(track(properties={name: "5"}))

    assert (found.code, found.remedy) == ("property_casing", f"Write {proposal}.")


def test_lint_names_a_nested_property_once():
    call = with_properties(items=[{"itemId": 1}, {"itemId": 2}])

    assert paths_of(call, "property_casing") == ["properties.items[1].itemId"]


@pytest.mark.parametrize(
    "name",
    [
        "Report Submitted",
        "API Key Created",
        "Added to the Team",
        "iPhone Paired",
        "レポート提出",
        "A/B Test Won",
        "403 Shown",
    ],
)
def test_lint_accepts_proper_case(name):
    assert codes_of(track(event=name)) == []


@pytest.mark.parametrize(
    "name",
    [
        "report_submitted",
        "reportSubmitted",
        "ReportSubmitted",
        "Report submitted",
        "REPORT SUBMITTED",
        "Report  Sent",
        " Report Sent",
    ],
)
def test_lint_warns_of_other_casings(name):
    assert codes_of(track(event=name)) == ["event_casing"]


@pytest.mark.parametrize(
    "name",
    [
        "Report for ann@example.com Sent",
        "Report 2026-01-31 Sent",
        "Report #5 Sent",
        "Report 018f3c2a-7b1d-7000-8000-000000000000 Sent",
        "Report {name} Sent",
        "Report ${id} Sent",
        "https://example.com Viewed",
    ],
)
def test_lint_warns_of_names_that_vary(name):
    assert "event_name_dynamic" in codes_of(track(event=name))


def test_lint_finds_what_varies_in_a_lookalike_too():
    assert codes_of(track(event="Order 50314 Completed")) == ["lookalike", "event_name_dynamic"]


def test_lint_reads_names_by_the_kind_of_tool():
    call = track(event="Link Clicked")

    assert codes_of(call) == []
    assert codes_of(call, category="email") == ["lookalike"]


def test_lint_takes_what_the_spec_calls_reserved_as_reserved():
    call = {"type": "identify", "userId": "u", "traits": {"AGE": "5", "company": "Initech", "email": None, "plan": 5}}

    assert paths_of(call, "trait_type") == ["traits.AGE", "traits.company"]


def test_findings_print_as_plain_json():
    (found,) = lint(track(event="Purchase"))

    assert json.loads(json.dumps(found.as_dict())) == {
        "severity": "warning",
        "code": "lookalike",
        "path": "event",
        "message": "This means what the Spec calls “Order Completed”.",
        "remedy": "Call it “Order Completed”.",
    }


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=20)
    | st.binary(max_size=3)
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=[]), max_size=10) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    [
        *(
            "type",
            "event",
            "userId",
            "anonymousId",
            "groupId",
            "previousId",
            "name",
            "category",
            "properties",
            "traits",
        ),
        *("context", "integrations", "messageId", "timestamp", "originalTimestamp", "sentAt", "user_id", "email", "ip"),
    ]
)
INSIDE = st.sampled_from(
    [
        *(
            "products",
            "revenue",
            "currency",
            "price",
            "campaign",
            "query",
            "email",
            "createdAt",
            "created_at",
            "address",
        ),
        *("integration", "traits", "ip", "user_agent", "value", "content", "orderId", "total"),
    ]
)
CALLS = st.dictionaries(
    FIELDS,
    st.sampled_from(["track", "page", "identify", "group", "Order Completed", "Video Ad Started", "Install Attributed"])
    | ANYTHING
    | st.dictionaries(INSIDE, ANYTHING | st.lists(st.dictionaries(INSIDE, ANYTHING, max_size=3), max_size=3)),
)


@given(ANYTHING | CALLS)
def test_lint_gives_findings_for_any_value(value):
    before = copy.deepcopy(value)

    found = lint(value)

    assert all(type(finding) is Finding and finding.code in CODES for finding in found)
    assert repr(value) == repr(before)
    json.dumps([finding.as_dict() for finding in found]).encode()
    "".join(finding.path + finding.message for finding in found).encode()


@given(CALLS)
def test_what_has_no_error_can_be_encoded(call):
    if not any(finding.severity is Severity.ERROR for finding in lint(call)):
        assert json.loads(orjson.dumps(call)) is not None


@given(ANYTHING)
def test_lint_finds_the_unsendable_wherever_it_is(value):
    """What one of two encoders refuses: orjson names that are no text and half surrogates, json NaN and dates."""
    try:
        orjson.dumps(value)
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        assert {finding.severity for finding in lint(with_properties(a=value))} >= {Severity.ERROR}
