"""The checklist of Segment's reviewers, over calls of any number, one at a time. Nothing is kept but the first failure.

Points 1 to 5 and 7 are about calls, 6 and 8 about the product. What nothing was seen of is "not seen yet".
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from django.conf import settings

from delivery.review.product import documentation_problem, documented_names, region_problem
from integrations.spec.calls import Call
from integrations.spec.findings import Finding
from integrations.spec.linter import lint

CAMPAIGN: Final = ("Email Delivered", "Email Opened", "Email Link Clicked", "Unsubscribed")
"""What the reviewers' campaign, sent, opened, clicked and unsubscribed, has to show in the debugger."""


DOCUMENTATION: Final = 8


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105  # a verdict, no password
    FAIL = "fail"
    NOT_SEEN = "not seen yet"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A call, and where it was seen: the messageId of an event, or the name of a mapping."""

    call: Call
    where: str


@dataclass(frozen=True, slots=True)
class Point:
    """`detail` is a sentence on how it stands; `example` the first call that failed, else the first that was seen."""

    number: int
    title: str
    verdict: Verdict
    detail: str
    example: Sighting | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Report:
    looked_at: int
    points: tuple[Point, ...]

    @property
    def failed(self) -> bool:
        return any(point.verdict is Verdict.FAIL for point in self.points)


Test = Callable[[Call, list[Finding]], str]
"""What is wrong with a call, as a sentence, or nothing."""


def _user_id(call: Call, _findings: list[Finding]) -> str:
    if isinstance(call.get("userId"), str) and call["userId"]:
        return ""
    return "A call has an anonymousId in place of a userId." if call.get("anonymousId") else "A call has no userId."


def _own_id(call: Call, findings: list[Finding]) -> str:
    field = settings.INTEGRATION_TOOL_ID_FIELD
    tool_id = (call.get("context") or {}).get(field)
    if not tool_id:
        return f"context.{field} is missing: the product's own id of the person belongs there."
    if call.get("userId") == tool_id:
        return f"userId is the product's own id. Send the customer's, and the product's as context.{field}."
    return _among("user_id_is_email", "user_id_placeholder")(call, findings)


def _integration(call: Call, findings: list[Finding]) -> str:
    found = (call.get("context") or {}).get("integration")
    if not isinstance(found, dict) or found.get("name") != settings.INTEGRATION_SLUG:
        return f"context.integration.name is not {settings.INTEGRATION_SLUG}."
    return _among("integration_bad")(call, findings)


def _among(*codes: str) -> Test:
    """Fails with the linter's first finding that has one of these codes."""

    def test(_call: Call, findings: list[Finding]) -> str:
        return next((f"{each.message} {each.remedy}" for each in findings if each.code in codes), "")

    return test


CALL_POINTS: Final[Mapping[int, tuple[str, Test]]] = {
    1: ("Every call has a userId", _user_id),
    2: ("userId is the customer's own id, and the product's id is in the context", _own_id),
    3: ("context.integration names this integration and its version", _integration),
    4: (
        "Event names in Proper Case with nothing dynamic, properties in snake_case",
        _among("event_casing", "event_name_dynamic", "property_casing"),
    ),
    5: (
        "Events that mean one of the Spec have its name and its properties' types",
        _among("lookalike", "property_type", "property_missing", "context_type", "money_as_text", "money_in_cents"),
    ),
}


class Checklist:
    """Look at each call, then ask for the report."""

    def __init__(self) -> None:
        self.looked_at = 0
        self._first: Sighting | None = None
        self._failures: dict[int, int] = {}
        self._failed: dict[int, tuple[str, Sighting]] = {}
        self._campaign: dict[str, Sighting] = {}
        self._documented = documented_names()

    def look(self, sighting: Sighting) -> None:
        call = sighting.call
        self.looked_at += 1
        self._first = self._first or sighting
        findings = lint(call, category=settings.INTEGRATION_CATEGORY or None)
        for number, (_, test) in CALL_POINTS.items():
            self._note(number, test(call, findings), sighting)
        name = call.get("event")
        if name in CAMPAIGN:
            self._campaign.setdefault(name, sighting)
        if call.get("type") == "track" and name not in self._documented:
            self._note(DOCUMENTATION, f"“{name}” is sent, and is in no document: give it a mapping.", sighting)

    def report(self) -> Report:
        about_calls = [self._about_calls(number, title) for number, (title, _) in CALL_POINTS.items()]
        points = (*about_calls, self._regions(), self._campaign_test(), self._documentation())
        return Report(self.looked_at, points)

    def _note(self, number: int, problem: str, sighting: Sighting) -> None:
        if problem:
            self._failures[number] = self._failures.get(number, 0) + 1
            self._failed.setdefault(number, (problem, sighting))

    def _about_calls(self, number: int, title: str) -> Point:
        if number in self._failed:
            return self._failure(number, title)
        if self._first is None:
            return Point(number, title, Verdict.NOT_SEEN, "No call has been seen.")
        detail = "So does the one call seen." if self.looked_at == 1 else f"True of all {self.looked_at:,} calls seen."
        return Point(number, title, Verdict.PASS, detail, self._first)

    def _failure(self, number: int, title: str) -> Point:
        problem, example = self._failed[number]
        failures = self._failures[number]
        count = "1 call" if failures == 1 else f"{failures:,} calls"
        return Point(number, title, Verdict.FAIL, f"{problem} ({count})", example)

    def _regions(self) -> Point:
        problem = region_problem()
        verdict = Verdict.FAIL if problem else Verdict.PASS
        return Point(6, "The customer can choose the region", verdict, problem or "The form offers both regions.")

    def _campaign_test(self) -> Point:
        title = "The campaign test: sent, opened, clicked, unsubscribed"
        missing = [name for name in CAMPAIGN if name not in self._campaign]
        seen = next(iter(self._campaign.values()), None)
        if missing:
            return Point(7, title, Verdict.NOT_SEEN, f"Not seen: {', '.join(missing)}.", seen)
        return Point(7, title, Verdict.PASS, "All four events were seen.", self._campaign[CAMPAIGN[-1]])

    def _documentation(self) -> Point:
        title = "The documentation has a support address and every event"
        if DOCUMENTATION in self._failed:
            return self._failure(DOCUMENTATION, title)
        problem = documentation_problem()
        verdict = Verdict.FAIL if problem else Verdict.PASS
        return Point(
            DOCUMENTATION,
            title,
            verdict,
            problem or "Every event and property has words.",
        )


def review(sightings: Iterable[Sighting]) -> Report:
    checklist = Checklist()
    for sighting in sightings:
        checklist.look(sighting)
    return checklist.report()
