from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

import pytest
from django.dispatch import Signal

from integrations.catalog.specimens import SpecimenError, specimen
from integrations.mappings.registry import Mapping


class Plan(Enum):
    FREE = "free"
    PAID = "paid"


@dataclass(frozen=True)
class Person:
    email: str
    nickname: str | None


@dataclass(frozen=True)
class Activity:
    tenant_id: int
    person: Person
    at: datetime
    price: Decimal
    plan: Plan
    report_name: str


def of(build, **options):
    return specimen(Mapping(Signal(), "Report Exported", build), **options)


def build(activity: Activity) -> dict[str, object]:
    return {}


def test_every_field_is_filled_by_its_type():
    assert of(build) == Activity(
        tenant_id=7,
        person=Person("ada@example.com", "nickname-1"),
        at=datetime(2026, 3, 14, 9, 30, tzinfo=UTC),
        price=Decimal("12.5"),
        plan=Plan.FREE,
        report_name="report-name-1",
    )


def test_sparse_leaves_out_what_may_be_none():
    assert of(build, sparse=True).person == Person("ada@example.com", None)


def untyped(activity):
    return {}


def of_an_object(activity: object) -> dict[str, object]:
    return {}


def of_nothing_known(activity: "Nowhere") -> dict[str, object]:  # type: ignore[name-defined]  # noqa: F821  # a name of nothing is what it tests
    return {}


def without_a_parameter() -> dict[str, object]:
    return {}


@pytest.mark.parametrize("function", [untyped, of_an_object, of_nothing_known, without_a_parameter])
def test_function_without_a_dataclass_is_no_mapping_to_try(function):
    with pytest.raises(SpecimenError):
        of(function)
