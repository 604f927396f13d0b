import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from delivery.models import Event
from delivery.outbox import capture
from delivery.review.calls import from_everyone, from_mappings, from_tenant
from delivery.review.checklist import CAMPAIGN, Sighting, Verdict, review
from integrations.envelope import complete
from integrations.mappings.registry import REGISTRY
from integrations.spec.calls import track
from tenants.scoping import scope

PASSED = dict.fromkeys(range(1, 9), Verdict.PASS)


@pytest.fixture(autouse=True)
def support(settings):
    settings.SUPPORT_EMAIL = "help@acme-mail.com"


def good(event="Email Opened", **changes):
    context = {"yourToolId": "person-1", "traits": {"email": "ada@lovelace.test"}}
    call = track(event=event, user_id="customer-1", properties={"email_id": "e-1"}, context=context)
    return complete({**call, **changes})


def verdicts(*calls):
    report = review(Sighting(call, f"call {number}") for number, call in enumerate(calls))
    return {point.number: point.verdict for point in report.points}


def failing(call):
    """The one point that fails with this call among good ones."""
    report = review([Sighting(good(), "good"), Sighting(call, "bad"), Sighting(good(), "good")])
    (point,) = [point for point in report.points if point.verdict is Verdict.FAIL]
    assert point.example == Sighting(call, "bad")
    return point.number


def test_campaign_done_right_passes_every_point():
    assert verdicts(*map(good, CAMPAIGN)) == PASSED


def test_nothing_seen_is_not_exercised_and_no_failure():
    unseen = dict.fromkeys((1, 2, 3, 4, 5, 7), Verdict.NOT_SEEN)
    assert verdicts() == {**unseen, 6: Verdict.PASS, 8: Verdict.PASS}
    assert not review([]).failed


def test_campaign_that_lacks_an_event_is_not_exercised():
    report = review(Sighting(good(name), name) for name in CAMPAIGN[:3])
    assert [(point.verdict, point.detail) for point in report.points if point.number == 7] == [
        (Verdict.NOT_SEEN, "Not seen: Unsubscribed.")
    ]


@pytest.mark.parametrize(
    ("changes", "point"),
    [
        ({"userId": None, "anonymousId": "a-1"}, 1),
        ({"userId": "ada@lovelace.test"}, 2),
        ({"userId": "person-1"}, 2),
        ({"userId": "null"}, 2),
        ({"context": {"integration": {"name": "headwater", "version": "1.0.0"}}}, 2),
        ({"context": {"yourToolId": "person-1", "integration": {"name": "another", "version": "1.0.0"}}}, 3),
        ({"context": {"yourToolId": "person-1"}}, 3),
        ({"properties": {"emailId": "e-1"}}, 4),
        ({"properties": {"email_id": 7}}, 5),
        ({"event": "Report Exported"}, 8),
    ],
)
def test_call_that_breaks_a_rule_fails_its_point_and_is_the_example(changes, point):
    assert failing({**good(), **changes}) == point


@pytest.mark.parametrize(("event", "points"), [("Link Clicked", {5, 8}), ("email report", {4, 8})])
def test_look_alike_fails_as_the_kind_of_tool_reads_it(event, points):
    assert {number for number, verdict in verdicts(good(event)).items() if verdict is Verdict.FAIL} == points


def test_failure_says_how_many_calls_it_concerns():
    report = review([Sighting({**good(), "userId": "null"}, str(number)) for number in range(3)])
    (point,) = [point for point in report.points if point.verdict is Verdict.FAIL]
    assert point.detail.endswith("(3 calls)")
    assert point.example is not None
    assert point.example.where == "0"


def test_example_support_address_fails_outside_of_the_demo(settings):
    settings.SUPPORT_EMAIL = "support@headwater.example"
    assert verdicts(*map(good, CAMPAIGN)) == PASSED | {8: Verdict.FAIL}
    settings.DEMO = True
    assert verdicts(*map(good, CAMPAIGN)) == PASSED


def test_region_that_nothing_can_be_sent_to_fails(settings):
    settings.SEGMENT_URLS = {"us": "https://api.segment.io/v1"}
    assert verdicts(*map(good, CAMPAIGN)) == PASSED | {6: Verdict.FAIL}


def test_mappings_pass_every_point():
    sightings = list(from_mappings())
    assert [sighting.where for sighting in sightings] == [mapping.name for mapping in REGISTRY]
    assert verdicts(*(sighting.call for sighting in sightings)) == PASSED


@pytest.fixture
def log(source, other_source):
    """Three events of the tenant, the first of them ten days old, and one of another tenant."""
    for name in CAMPAIGN[:3]:
        capture(source.tenant_id, good(name))
    capture(other_source.tenant_id, good("Email Bounced"))
    with scope(source.tenant_id):
        first = Event.objects.order_by("pk").values_list("pk", flat=True)[0]
        Event.objects.filter(pk=first).update(captured_at=timezone.now() - timedelta(days=10))


def names(sightings):
    return [sighting.call["event"] for sighting in sightings]


@pytest.mark.django_db
def test_log_is_walked_newest_first_in_the_span_and_for_the_tenant_only(log, tenant):
    now = timezone.now()
    assert names(from_tenant(tenant.pk, now - timedelta(days=7))) == ["Email Link Clicked", "Email Opened"]
    assert names(from_tenant(tenant.pk, now - timedelta(days=30))) == [*reversed(CAMPAIGN[:3])]
    assert names(from_tenant(tenant.pk, now - timedelta(days=30), limit=1)) == ["Email Link Clicked"]
    assert names(from_everyone(now - timedelta(days=7), limit=2)) == ["Email Bounced", "Email Link Clicked"]


def run(*arguments):
    out = io.StringIO()
    try:
        call_command("review", *arguments, stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_command_over_the_mappings_needs_no_database():
    code, text = run("--mappings")
    assert code == 0
    assert text.startswith("Looked at 6 mappings.\npass           1. Every call has a userId\n")
    assert "7. The campaign test" in text
    assert "Example: Unsubscribed (integrations.mappings.email.unsubscribed)" in text


@pytest.mark.django_db
def test_command_fails_with_an_example_of_what_was_captured(log, source):
    capture(source.tenant_id, good("Link Clicked"))
    code, text = run("--json", "--tenant", source.tenant.slug, "--days", "7")
    report = json.loads(text)
    failed = {point["number"]: point for point in report["points"] if point["verdict"] == "fail"}
    assert (code, report["looked_at"], report["failed"], set(failed)) == (1, 3, True, {5, 8})
    assert failed[5]["example"]["call"]["event"] == "Link Clicked"
    assert report["points"][6]["detail"] == "Not seen: Email Delivered, Unsubscribed."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tenant", "nobody"], "There is no tenant 'nobody'"),
        (["--days", "0"], "--days goes from 1"),
        (["--mappings", "--tenant", "acme"], "leave out --tenant"),
    ],
)
def test_command_names_a_bad_argument(arguments, message):
    with pytest.raises(CommandError, match=message):
        run(*arguments)
