"""The Spec as data: whole, consistent, and true to what the documents say where tables and examples differ."""

from typing import Any

import pytest

from integrations.spec.catalogue import catalogue, category_named
from integrations.spec.json_types import fits
from integrations.spec.linter import lint
from integrations.spec.rules.structure import CALL_TYPES

PER_CATEGORY = {
    "ab-testing": 1,
    "b2b-saas": 10,
    "ecommerce": 28,
    "email": 6,
    "live-chat": 4,
    "mobile": 13,
    "video": 17,
}
SAMPLES = {
    "string": "x",
    "number": 1.5,
    "integer": 3,
    "boolean": True,
    "object": {},
    "array": [],
    "date": "2026-01-31",
    "string|object": "x",
    "string|array": ["x"],
}


def sample(prop):
    """A value of the property's type, with all that is in it."""
    if prop.items:
        return [{name: sample(inner) for name, inner in prop.items.items()}]
    if prop.fields:
        return {name: sample(inner) for name, inner in prop.fields.items()}
    return "USD" if prop.name == "currency" else SAMPLES[prop.type]


def context_sample(event):
    values = {"context.ip": "8.8.8.8", "context.userAgent": "Mozilla/5.0", "context.groupId": "g-1"}
    context: dict[str, Any] = {path.split(".")[1]: values[path] for path in event.context if path in values}
    if "context.traits.email" in event.context:
        context["traits"] = {"email": "a@example.com"}
    return context


EVENTS = list(catalogue().events.values())


def test_catalogue_has_every_semantic_event():
    counts = dict.fromkeys(catalogue().categories, 0)
    for event in EVENTS:
        counts[event.category] += 1

    assert counts == PER_CATEGORY


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_event_is_described(event):
    assert event.document.startswith("src/connections/spec/")
    assert event.about.endswith(".")
    for _, prop in event.flat_properties():
        assert prop.about.endswith(".")
        assert fits(prop.type)(sample(prop))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_event_with_all_its_properties_lints_clean(event):
    properties = {name: sample(prop) for name, prop in event.properties.items()}
    call = {"type": "track", "userId": "u-1", "event": event.name}

    assert lint(call | {"properties": properties, "context": context_sample(event)}) == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_event_with_a_wrong_type_is_found_for_each_property(event):
    for name in event.properties:
        call = {"type": "track", "userId": "u-1", "event": event.name, "properties": {"products": [], name: object}}

        assert f"properties.{name}" in {finding.path for finding in lint(call) if finding.code != "value_not_json"}


@pytest.mark.parametrize(
    ("event", "path", "type_name"),
    [
        ("Email Opened", "email_id", "string"),
        ("Order Completed", "products.$.price", "number"),
        ("Order Completed", "subtotal", "number"),
        ("Checkout Started", "value", "number"),
        ("Install Attributed", "campaign.ad_group", "string"),
        ("Push Notification Tapped", "action", "string"),
        ("Application Updated", "previous_build", "string"),
        ("Application Opened", "from_background", "boolean"),
        ("Live Chat Message Sent", "message_body", "string"),
        ("Product Reviewed", "rating", "string"),
        ("Products Searched", "query", "string|object"),
        ("Product List Filtered", "sorts.$.type", "string"),
        ("Trial Started", "trial_start_date", "date"),
        ("Video Playback Started", "ad_type", "string|array"),
        ("Video Ad Started", "content.asset_id", "string"),
        ("Video Quality Updated", "startupTime", "number"),
    ],
)
def test_event_has_the_property_of_the_documents(event, path, type_name):
    assert dict(catalogue().events[event].flat_properties())[path].type == type_name


def test_email_context_uses_the_fields_of_today():
    assert catalogue().events["Email Opened"].context == (
        "context.ip",
        "context.traits",
        "context.traits.email",
        "context.userAgent",
    )
    assert catalogue().events["Email Bounced"].context == ("context.traits", "context.traits.email")


def test_products_are_required_where_the_text_says_so():
    required = {event.name for event in EVENTS for prop in event.properties.values() if prop.required}

    assert required == {"Checkout Started", "Order Updated", "Order Completed", "Order Refunded", "Order Cancelled"}


def test_catalogue_has_calls_fields_and_traits():
    spec = catalogue()

    assert set(spec.calls) == set(CALL_TYPES)
    assert spec.calls["group"].fields["groupId"].required
    assert {"messageId", "userId", "anonymousId", "timestamp", "context"} < set(spec.common_fields)
    assert {"userAgent", "groupId", "integration", "traits"} < set(spec.context)
    assert spec.user_traits["createdAt"].type == "date"
    assert len(spec.user_traits) == 17
    assert len(spec.group_traits) == 12
    assert {"USD", "EUR", "JPY", "CHF"} < spec.currencies


@pytest.mark.parametrize("text", ["live-chat", "live_chat", "Live Chat", "LIVECHAT"])
def test_category_is_known_in_any_spelling(text):
    assert category_named(text) == "live-chat"


def test_category_that_is_unknown_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no category 'letters'.*ab-testing, b2b-saas"):
        category_named("letters")
