"""The system check of the mappings."""

import inspect

import pytest
from django.core import checks
from django.dispatch import Signal

from integrations.checks import mapping_errors
from integrations.mappings.registry import REGISTRY, Mapping
from integrations.spec.calls import Call, track


def build(activity: object) -> Call:
    return track(event="Anything")


LINE = inspect.getsourcelines(build)[1]


def test_the_products_own_mappings_keep_to_the_spec():
    assert REGISTRY
    assert mapping_errors(REGISTRY) == []


@pytest.mark.parametrize(
    ("event", "code", "hint"),
    [
        ("Opened Email", "lookalike", "Call it “Email Opened”."),
        ("", "event_missing", "Set event to the name of what happened, such as Email Opened."),
        ("report sent", "event_casing", "Begin each word with a capital and put single spaces between words."),
        ("Report 2026 Sent", "event_name_dynamic", "Move what varies into a property."),
    ],
)
def test_mapping_that_breaks_the_spec_is_an_error_with_its_place(event, code, hint):
    (found,) = mapping_errors([Mapping(Signal(), event, build)])

    assert found.level == checks.ERROR
    assert found.obj == f"tests/integrations/test_checks.py:{LINE}"
    assert (found.id, found.hint) == (f"integrations.mapping.{code}", hint)


@pytest.mark.parametrize("event", ["Email Opened", "Report Sent", "User Signed Up"])
def test_mapping_to_an_event_of_the_spec_or_of_its_own_is_fine(event):
    assert mapping_errors([Mapping(Signal(), event, build)]) == []


def test_mapping_in_a_module_of_a_category_is_read_by_it(monkeypatch):
    monkeypatch.setattr(build, "__module__", "integrations.mappings.email")

    (found,) = mapping_errors([Mapping(Signal(), "Link Clicked", build)])

    assert found.hint == "Call it “Email Link Clicked”."


def test_check_is_part_of_manage_check(monkeypatch):
    monkeypatch.setattr("integrations.checks.REGISTRY", [Mapping(Signal(), "Purchase", build)])

    found = [message.id for message in checks.run_checks() if str(message.id).startswith("integrations.mapping.")]

    assert found == ["integrations.mapping.lookalike"]
