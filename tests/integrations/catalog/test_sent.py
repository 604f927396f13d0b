"""The documents say what is really sent: each mapping's fixture goes through the real capture, and is compared."""

import json
from dataclasses import replace
from typing import Any

import pytest

from delivery.models import Event
from integrations.catalog.blocks import Document, Table
from integrations.catalog.help_page import help_page
from integrations.catalog.metadata import metadata
from integrations.catalog.sent import leaves, sent_events
from integrations.catalog.source_page import source_page
from integrations.mappings.registry import REGISTRY, Mapping, maps
from integrations.spec.json_types import named
from tenants.scoping import scope
from tests.integrations.mappings.cases import activity

Fields = dict[str, str]


@pytest.fixture
def captured(source):
    """By event, the calls that lie in the outbox after every mapping's signal has been sent with its fixture."""
    calls: dict[str, dict[str, Any]] = {}
    for mapping in REGISTRY:
        happened = replace(activity(mapping.build.__name__), tenant_id=source.tenant_id)
        mapping.signal.send(sender=None, activity=happened)
    with scope(source.tenant_id):
        for payload in Event.objects.order_by("pk").values_list("payload", flat=True):
            call = json.loads(payload)
            calls[call["event"]] = call
    assert len(calls) == len(REGISTRY)
    return calls


def types_in(value, prefix="") -> Fields:
    return {f"{prefix}{path}": named(leaf) for path, leaf in leaves(value)}


def documented(document: Document, first_header: str) -> dict[str, Fields]:
    """Read back from a document's table: by event, each field with its type."""
    (table,) = [block for block in document.blocks if isinstance(block, Table) and block.headers[0] == first_header]
    events = [event.name for event in sent_events()]
    found: dict[str, Fields] = {name: {} for name in events}
    for name, kind, _, owners in table.rows:
        for owner in events if owners == "All" else owners.split(", "):
            found[owner][name.strip("`")] = kind
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("write", [source_page, help_page])
def test_documents_have_the_events_properties_types_and_context_that_are_captured(captured, write):
    document = write()
    (events,) = [block for block in document.blocks if isinstance(block, Table) and block.headers[0] == "Event Name"]
    assert [name for name, _ in events.rows] == list(captured)
    assert documented(document, "Property Name") == {
        name: types_in(call["properties"]) for name, call in captured.items()
    }
    assert documented(document, "Field") == {
        name: types_in(call["context"], "context.") for name, call in captured.items()
    }


@pytest.mark.django_db
def test_metadata_has_the_calls_and_events_that_are_captured(captured):
    facts = metadata()
    assert facts["events"] == list(captured)
    assert facts["calls"] == list(dict.fromkeys(call["type"] for call in captured.values()))
    (integration,) = {json.dumps(call["context"]["integration"]) for call in captured.values()}
    assert facts["integration"] == json.loads(integration)


def test_field_that_may_be_unknown_is_told_apart():
    (left,) = [event for event in sent_events() if event.name == "Unsubscribed"]
    always = {field.name for field in (*left.properties, *left.context) if field.always}
    assert {field.name for field in (*left.properties, *left.context)} - always == {
        *("list_id", "list_name"),
        *("ip", "userAgent"),
    }


def test_event_of_the_products_own_has_the_words_of_its_mapping():
    registry: list[Mapping] = []
    words = {"email_id": "Which email it was about."}
    (opened,) = [mapping for mapping in REGISTRY if mapping.event == "Email Opened"]
    maps(opened.signal, event="Report Exported", about="A report left.", properties=words, registry=registry)(
        opened.build
    )
    (event,) = sent_events(registry)
    meanings = {field.name: field.about for field in event.properties}
    assert (event.about, meanings["email_id"], meanings["email_subject"]) == ("A report left.", *words.values(), "")


def test_mapping_that_cannot_be_tried_is_listed_by_its_name():
    def build(activity):
        raise AssertionError

    (event,) = sent_events([Mapping(REGISTRY[0].signal, "Email Opened", build)])
    assert (event.name, event.properties, event.example) == ("Email Opened", (), {})
    assert event.about
