import json
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from delivery import what_is_sent
from delivery.models import Event
from delivery.outbox import capture_many
from delivery.what_is_sent import NAMES, Preview, bill, newest_calls, preview, tracked_names
from integrations.confirming import send_test
from integrations.models import Source
from integrations.property_rules import hashed
from integrations.sent_forms import MAX_RULES
from integrations.spec.calls import identify, track
from tenants.models import AuditEntry
from tests.conftest import OTHER_WRITE_KEY, make_source

pytestmark = pytest.mark.usefixtures("everything")


@pytest.fixture
def address(source):
    return reverse("delivery:what_is_sent", args=["acme", source.pk])


def opened(user: str, **properties: str) -> dict[str, object]:
    return track(event="Email Opened", user_id=user, properties={"email_id": "7", **properties})


@pytest.fixture
def a_week(source):
    """Two users opened, one of them clicked; ten days ago there was more."""
    clicked = track(event="Email Link Clicked", user_id="u-1", properties={"link_id": "2"})
    capture_many(source.tenant_id, [opened("u-9") for _ in range(50)])
    Event.objects.update(captured_at=timezone.now() - timedelta(days=10))
    capture_many(source.tenant_id, [opened("u-1"), opened("u-2", plan="pro"), clicked, identify(user_id="u-1")])
    Source.objects.filter(pk=source.pk).update(created_at=timezone.now() - timedelta(days=2))
    source.refresh_from_db()


def text(response) -> str:
    return str(response.content.decode())


def form(client, address, **changes):
    """What a browser would post of the page, with these changes."""
    page = text(client.get(address))
    offered = re.findall(r'name="offered" value="([^"]+)"', page)
    rules = re.findall(r'<select name="(rule:[^"]+)".*?</select>', page)
    data = {"offered": offered, "events": offered, "identity": "user_id", **dict.fromkeys(rules, "keep")}
    return {**data, "seen": page.partition('name="seen" value="')[2].partition('"')[0], **changes}


def test_the_bill_counts_the_calls_and_users_of_a_day_before_and_after(source, a_week, django_assert_num_queries):
    with django_assert_num_queries(1):
        now = bill(source, [])
    assert (now.calls, now.users, now.is_estimate) == (2, 1, False)
    assert bill(source, ["Email Opened"]) == what_is_sent.Bill(2, 1, 1, 0, is_estimate=False)


def test_the_bill_of_a_source_with_more_than_is_looked_at_is_an_estimate(source, a_week, monkeypatch):
    monkeypatch.setattr(what_is_sent, "LOOKED_AT", 4)
    Event.objects.filter(captured_at__gt=timezone.now() - timedelta(days=1)).update(
        captured_at=timezone.now() - timedelta(hours=12)
    )
    estimate = bill(source, ["Email Opened"])
    assert estimate == what_is_sent.Bill(8, 4, 2, 1, is_estimate=True)


def test_the_bill_of_a_source_without_events_is_nothing(source):
    assert bill(source, ["Email Opened"]) == what_is_sent.Bill(0, 0, 0, 0, is_estimate=False)


def test_names_are_those_of_the_sources_own_tracks(source, a_week, other_source):
    send_test(source)
    capture_many(other_source.tenant_id, [track(event="Theirs Done", user_id="u-1")])
    assert tracked_names(source) == ["Email Link Clicked", "Email Opened"]


def shown_of(source, calls, events_off, rules) -> Preview:
    found = preview(source, calls, events_off, rules)
    assert found is not None
    return found


def test_the_preview_is_of_the_newest_event_that_changes(source, a_week):
    calls = newest_calls(source)
    untouched = shown_of(source, calls, [], {})
    assert untouched.before == untouched.after
    shown = shown_of(source, calls, [], {"plan": "hash"})
    assert shown.name == "Email Opened"
    assert json.loads(shown.before)["properties"] == {"email_id": "7", "plan": "pro"}
    hidden = {"email_id": "7", "plan": hashed(source.tenant_id, "pro")}
    assert json.loads(shown.after or "") == {**json.loads(shown.before), "properties": hidden}
    assert shown_of(source, calls, ["Email Link Clicked"], {}).after is None
    assert preview(source, [], [], {}) is None


def test_a_rule_that_the_event_was_captured_by_is_not_tried_again(source):
    source.property_rules = {"plan": "hash"}
    source.save()
    capture_many(source.tenant_id, [opened("u-1", plan="pro")])
    shown = shown_of(source, newest_calls(source), [], {"plan": "hash"})
    assert shown.before == shown.after


def test_what_is_chosen_holds_for_what_is_captured_from_then_on(admin_client, admin, source, a_week, address):
    before = Event.objects.count()
    data = form(admin_client, address, identity="email_hash")
    data["events"] = [name for name in data["events"] if name != "Email Link Clicked"]
    data |= {"rule:plan": "hash", "property_name": "nickname", "property_rule": "drop"}

    response = admin_client.post(address, data, follow=True)

    assert "from the next event on" in text(response)
    saved = Source.objects.get()
    assert (saved.identity, saved.events_off) == ("email_hash", ["Email Link Clicked"])
    assert saved.property_rules == {"nickname": "drop", "plan": "hash"}
    entry = AuditEntry.objects.get()
    assert (entry.by_label, entry.deed, entry.subject) == (admin.email, "changed what is sent to", "Main")
    assert entry.details["properties"] == "nickname: leave it out, plan: send a keyed hash"

    clicked = track(event="Email Link Clicked", user_id="u-1")
    capture_many(source.tenant_id, [clicked, opened("u-1", plan="pro", nickname="Ada")])
    assert Event.objects.count() == before + 1
    properties = json.loads(Event.objects.latest("pk").payload)["properties"]
    assert properties == {"email_id": "7", "plan": hashed(source.tenant_id, "pro")}
    page = text(admin_client.get(reverse("integrations:source", args=["acme", source.pk])))
    assert "All but Email Link Clicked" in page
    assert "Opted in" in page


def test_the_other_sources_of_the_tenant_are_sent_all(admin_client, tenant, source, address):
    second = make_source(tenant, OTHER_WRITE_KEY, name="Second")
    admin_client.post(address, form(admin_client, address, events=[]))
    capture_many(tenant.pk, [opened("u-1")])
    assert [event.source_id for event in Event.objects.all()] == [second.pk]


def test_a_preview_changes_nothing(admin_client, source, a_week, address):
    before = list(Source.objects.values())
    data = form(admin_client, address, preview="1") | {"rule:plan": "drop"}
    page = text(admin_client.post(address, data))
    assert "&quot;plan&quot;" in page.partition("With this choice</h3>")[0]
    assert "&quot;plan&quot;" not in page.partition("With this choice</h3>")[2].partition("</pre>")[0]
    assert list(Source.objects.values()) == before
    assert not AuditEntry.objects.exists()


def test_the_later_of_two_choices_gets_a_page_that_says_so(admin_client, owner_client, source, address):
    mine = form(admin_client, address, events=[])
    owner_client.post(address, form(owner_client, address, identity="tool_id"))

    response = admin_client.post(address, mine)

    assert response.status_code == 409
    assert "Somebody changed this source" in text(response)
    assert Source.objects.get().identity == "tool_id"
    assert Source.objects.get().events_off == []


def test_sent_twice_it_is_done_and_noted_once(admin_client, source, address):
    data = form(admin_client, address, events=[])
    for _ in range(2):
        assert "from the next event on" in text(admin_client.post(address, data, follow=True))
    assert AuditEntry.objects.count() == 1


def test_the_history_tells_what_differs(admin_client, source, address):
    source.events_off, source.property_rules = ["Email Opened"], {"plan": "hash", "title": "drop"}
    source.save()
    offered = ["Email Bounced", "Email Opened"]
    rules = {"rule:plan": "keep", "rule:title": "drop", "rule:list_id": "drop"}
    admin_client.post(address, form(admin_client, address, offered=offered, events=["Email Opened"]) | rules)
    assert AuditEntry.objects.get().details == {
        "events off": "Email Bounced",
        "events on": "Email Opened",
        "properties": "list_id: leave it out, plan: send it as it is",
    }


def test_saved_without_a_change_nothing_is_noted(admin_client, source, address):
    assert "is sent the same as before" in text(admin_client.post(address, form(admin_client, address), follow=True))
    assert not AuditEntry.objects.exists()


def test_without_events_the_page_says_so_and_offers_the_products_own(admin_client, source, address):
    page = text(admin_client.get(address))
    assert "No event has been captured for this source yet." in page
    assert page.count('name="offered"') == 6
    assert '<select name="rule:campaign_id"' in page


ODD = [
    "a b", "rule:x", "<script>alert(1)</script>", "say \"hi\" & 'bye'", "ünïcode 名前", "\u202eright to left", "😀",
    "a=b&c=d", "$set", "x" * 200, "a.b.c", "{{ tenant }}",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_property_with_an_odd_name_is_chosen_shown_and_left_out(admin_client, source, address, name):
    capture_many(source.tenant_id, [opened("u-1", **{name: "secret"})])
    page = text(admin_client.get(address))
    assert f'<select name="rule:{escape(name)}"' in page

    admin_client.post(address, form(admin_client, address) | {f"rule:{name}": "drop"})

    assert Source.objects.get().property_rules == {name: "drop"}
    capture_many(source.tenant_id, [opened("u-1", **{name: "secret"})])
    assert json.loads(Event.objects.latest("pk").payload)["properties"] == {"email_id": "7"}
    assert escape(name) in text(admin_client.get(reverse("integrations:source", args=["acme", source.pk])))


def test_a_rule_that_a_browser_cannot_send_back_stays(admin_client, source, address):
    source.property_rules = {"two\nlines": "drop"}
    source.save()
    data = form(admin_client, address)
    sent = {name.replace("\n", "\r\n"): value for name, value in data.items()} | {"rule:email": "hash"}
    admin_client.post(address, sent)
    assert Source.objects.get().property_rules == {"email": "hash", "two\nlines": "drop"}


def test_there_are_200_rules_at_most_and_what_was_entered_stays(admin_client, source, address):
    source.property_rules = {f"property_{number:03}": "drop" for number in range(MAX_RULES)}
    source.save()
    data = form(admin_client, address) | {f"rule:{name}": "drop" for name in source.property_rules}

    page = text(admin_client.post(address, data | {"property_name": "one_more", "property_rule": "hash"}))

    assert "There can be 200 rules for properties at most." in page
    assert 'value="one_more"' in page
    assert len(Source.objects.get().property_rules) == MAX_RULES
    admin_client.post(address, data | {"rule:property_000": "hash"})
    assert Source.objects.get().property_rules["property_000"] == "hash"


def test_an_event_with_many_properties_leaves_a_form_that_can_be_sent(admin_client, source, address):
    capture_many(source.tenant_id, [opened("u-1", **{f"p{number:04}": "x" for number in range(1_500)}), opened("u-2")])
    data = form(admin_client, address)
    assert len([name for name in data if name.startswith("rule:p")]) <= NAMES
    assert "from the next event on" in text(admin_client.post(address, data | {"rule:email_id": "drop"}, follow=True))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"property_rule": "drop"}, "Type the name of the property."),
        ({"property_name": "n" * 201}, "at most 200 characters"),
        ({"property_name": "a\0b"}, "Null characters are not allowed."),
        ({"identity": "nothing"}, "Choose one of these."),
    ],
)
def test_a_mistake_is_told_and_saves_nothing(admin_client, source, address, wrong, told):
    assert told in text(admin_client.post(address, form(admin_client, address, **wrong)))
    assert not AuditEntry.objects.exists()


def test_what_the_page_did_not_offer_stays_as_it_was(admin_client, source, address):
    source.events_off = ["Other Done"]
    source.save()
    admin_client.post(address, form(admin_client, address) | {"offered": ["Email Opened", "Made Up"], "events": []})
    assert Source.objects.get().events_off == ["Email Opened", "Other Done"]


@pytest.mark.parametrize(("who", "status"), [("viewer_client", 403), ("stranger_client", 404), ("client", 302)])
def test_only_owners_and_admins_choose(request, source, address, who, status):
    client = request.getfixturevalue(who)
    assert client.get(address).status_code == client.post(address, {"identity": "tool_id"}).status_code == status
    assert Source.objects.get().identity == "user_id"


@pytest.mark.parametrize("count", [1, 30])
def test_the_page_costs_the_same_for_any_number_of_events(
    admin_client, source, address, count, django_assert_num_queries
):
    capture_many(source.tenant_id, [opened(f"u-{number}") for number in range(count)])
    # Session, user, membership with tenant, source, payloads, names, bill, and the tenants to switch to.
    with django_assert_num_queries(8):
        admin_client.get(address)
