from dataclasses import replace

import pytest

from integrations.envelope import complete
from integrations.mappings.email import email_opened, unsubscribed
from integrations.mappings.registry import REGISTRY
from integrations.spec.findings import Severity
from integrations.spec.linter import lint
from tests.integrations.mappings.cases import activity


def test_registry_has_the_email_events_of_the_spec():
    email = [mapping.event for mapping in REGISTRY if mapping.build.__module__ == "integrations.mappings.email"]

    assert sorted(email) == [
        "Email Bounced",
        "Email Delivered",
        "Email Link Clicked",
        "Email Marked as Spam",
        "Email Opened",
        "Unsubscribed",
    ]


@pytest.mark.parametrize("user_id", [None, ""])
def test_mapping_without_the_customers_id_names_nobody(user_id):
    opened = activity("email_opened")
    unknown = replace(opened, recipient=replace(opened.recipient, user_id=user_id))

    call = email_opened(unknown)

    assert not {"userId", "anonymousId"} & call.keys()
    assert call["context"]["traits"] == {"email": "ada@lovelace.test"}
    assert [finding.severity for finding in lint(complete(call))] == [Severity.ERROR]


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
