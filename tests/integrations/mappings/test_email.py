"""One input and one expected call per mapping: a mapping without its two files fails here."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.envelope import complete
from integrations.mappings.email import email_opened, unsubscribed
from integrations.mappings.registry import REGISTRY, Mapping
from integrations.signals import EmailActivity, Recipient

FIXTURES = Path(__file__).parent / "fixtures"


def read(name: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    return fields


def activity(name: str) -> EmailActivity:
    fields = read(f"{name}.input.json")
    fields["recipient"] = Recipient(**fields["recipient"])
    fields["occurred_at"] = datetime.fromisoformat(fields["occurred_at"])
    return EmailActivity(**fields)


def test_registry_has_the_email_events_of_the_spec():
    assert sorted(mapping.event for mapping in REGISTRY) == [
        "Email Bounced",
        "Email Delivered",
        "Email Link Clicked",
        "Email Marked as Spam",
        "Email Opened",
        "Unsubscribed",
    ]


@pytest.mark.parametrize("mapping", REGISTRY, ids=lambda mapping: mapping.build.__name__)
def test_mapping_builds_the_expected_call(mapping: Mapping):
    name = mapping.build.__name__

    call = mapping.build(activity(name))

    assert call == read(f"{name}.expected.json")
    assert call["event"] == mapping.event


def test_every_fixture_belongs_to_a_mapping():
    names = {mapping.build.__name__ for mapping in REGISTRY}

    assert {path.name for path in FIXTURES.iterdir()} == {
        f"{name}.{kind}.json" for name in names for kind in ("input", "expected")
    }


@pytest.mark.parametrize("user_id", [None, ""])
def test_mapping_without_the_customers_id_names_nobody(user_id):
    opened = activity("email_opened")
    anonymous = replace(opened, recipient=replace(opened.recipient, user_id=user_id))

    call = email_opened(anonymous)

    assert not {"userId", "anonymousId"} & call.keys()
    assert call["context"]["traits"] == {"email": "ada@lovelace.test"}


def test_mapping_leaves_out_what_is_not_known():
    everything = activity("unsubscribed")

    call = unsubscribed(replace(everything, ip=None, user_agent=None, list_id=None, list_name=None))

    assert call["context"] == {"yourToolId": "person-311", "traits": {"email": "ada@lovelace.test"}}
    assert call["properties"].keys() == {"email_id", "email_subject", "campaign_id", "campaign_name"}


def test_mapping_names_the_tools_id_as_the_settings_say(settings):
    settings.INTEGRATION_TOOL_ID_FIELD = "acmeMailId"

    assert email_opened(activity("email_opened"))["context"]["acmeMailId"] == "person-311"


def test_completed_mapping_names_the_integration():
    completed = complete(email_opened(activity("email_opened")))

    assert completed["context"]["integration"] == {"name": "headwater", "version": "1.0.0"}
