"""Every mapping of the registry against its two files: one without them fails here."""

import pytest

from integrations.envelope import complete
from integrations.mappings.registry import REGISTRY, Mapping
from integrations.spec.linter import lint
from tests.integrations.mappings.cases import FIXTURES, activity, expected_call

every_mapping = pytest.mark.parametrize("mapping", REGISTRY, ids=lambda mapping: mapping.build.__name__)


@every_mapping
def test_mapping_builds_the_expected_call(mapping: Mapping):
    name = mapping.build.__name__

    call = mapping.build(activity(name))

    assert call == expected_call(name)
    assert call["event"] == mapping.event


@every_mapping
def test_mapping_keeps_to_the_spec(mapping: Mapping):
    assert lint(complete(mapping.build(activity(mapping.build.__name__)))) == []


def test_every_fixture_belongs_to_a_mapping():
    names = {mapping.build.__name__ for mapping in REGISTRY}

    assert {path.name for path in FIXTURES.iterdir()} == {
        f"{name}.{kind}.json" for name in names for kind in ("input", "expected")
    }
