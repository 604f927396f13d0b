import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from delivery import what_is_sent
from delivery.models import Event
from delivery.outbox import capture_many
from delivery.what_is_sent import NAMES, PAYLOADS, Preview, bill, newest_calls, preview, tracked_names
from integrations.confirming import send_test
from integrations.identity import email_anonymous_id
from integrations.models import AnonymousId, Source
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


RULE = re.compile(r'<select name="(rule:[^"]+)" id="[^"]+"><option value="keep">.*?</select>')


def shown(page, **changes):
    """What a browser would post of the page, with these changes."""
    rules = {unescape(row[1]): (re.findall(r'"(\w+)" selected', row[0]) or ["keep"])[0] for row in RULE.finditer(page)}
    data = {
        "offered": re.findall(r'name="offered" value="([^"]+)"', page),
        "events": re.findall(r'name="events" value="([^"]+)" id="[^"]+" checked', page),
        "identity": re.findall(r'name="identity" value="(\w+)"[^>]* checked', page),
        "property_name": re.findall(r'name="property_name" value="([^"]+)"', page),
        "property_rule": re.findall(r'<option value="(\w*)" selected', page.partition('name="property_rule"')[2]),
        "seen": page.partition('name="seen" value="')[2].partition('"')[0],
    }
    return {**data, **rules, **changes}


def form(client, address, **changes):
    return shown(text(client.get(address)), **changes)


def post_as_a_browser(client, address, data):
    """The test client's own encoding takes no line break in the name of a field."""
    return client.post(address, urlencode(data, doseq=True), content_type="application/x-www-form-urlencoded")


def test_the_bill_counts_the_calls_and_users_of_a_day_before_and_after(source, a_week, django_assert_num_queries):
    with django_assert_num_queries(1):
        now = bill(source, [], "user_id")
    assert (now.calls, now.users, now.is_estimate) == (2, 1, False)
    assert bill(source, ["Email Opened"], "user_id") == what_is_sent.Bill(2, 1, 1, 0, is_estimate=False)


def test_the_bill_of_a_source_with_more_than_is_looked_at_is_an_estimate(source, a_week, monkeypatch):
    monkeypatch.setattr(what_is_sent, "LOOKED_AT", 4)
    Event.objects.filter(captured_at__gt=timezone.now() - timedelta(days=1)).update(
        captured_at=timezone.now() - timedelta(hours=12)
    )
    estimate = bill(source, ["Email Opened"], "user_id")
    assert estimate == what_is_sent.Bill(8, 4, 2, 1, is_estimate=True)


def test_the_bill_of_a_source_without_events_is_nothing(source):
    assert bill(source, ["Email Opened"], "user_id") == what_is_sent.Bill(0, 0, 0, 0, is_estimate=False)


@pytest.fixture
def strangers(source):
    """A day with two events of Ada and one of Bob under anonymousIds, and one of somebody with a userId."""
    source.identity = "tool_id"
    source.save()
    capture_many(
        source.tenant_id, [opened("u-1"), by_stranger("8", "Bob"), by_stranger("7", "Ada"), by_stranger("7", "Ada")]
    )
    return source


def by_stranger(tool_id: str, name: str) -> dict[str, object]:
    context = {"yourToolId": tool_id, "traits": {"email": f"{name}@person.test"}}
    return track(event="Email Opened", properties={"email_id": "7"}, context=context)


def test_the_bill_without_anonymous_ids_has_only_people_with_a_user_id(strangers):
    assert bill(strangers, [], "user_id") == what_is_sent.Bill(4, 1, 3, 1, is_estimate=False)
    assert bill(strangers, [], "email_hash") == what_is_sent.Bill(4, 4, 3, 3, is_estimate=False)
    AnonymousId.objects.filter(tool_id="7").update(user_id="u-7")
    assert bill(strangers, [], "user_id") == what_is_sent.Bill(4, 3, 3, 2, is_estimate=False)


def test_an_anonymous_id_of_the_tenants_own_is_sent_and_counted_as_it_is(source):
    own = {**track(event="Email Opened", anonymous_id="headwater-7", properties={"email_id": "7"})}
    capture_many(source.tenant_id, [own])
    assert bill(source, [], "user_id") == what_is_sent.Bill(1, 1, 1, 1, is_estimate=False)
    shown = shown_of(source, newest_calls(source), [], {}, "email_hash")
    assert shown.before == shown.after


def test_names_are_those_of_the_sources_own_tracks(source, a_week, other_source):
    send_test(source)
    capture_many(other_source.tenant_id, [track(event="Theirs Done", user_id="u-1")])
    assert tracked_names(source) == ["Email Link Clicked", "Email Opened"]


def shown_of(source, calls, events_off, rules, identity="user_id") -> Preview:
    found = preview(source, calls, events_off, rules, identity)
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
    assert preview(source, [], [], {}, "user_id") is None


def test_what_a_rule_has_hashed_is_not_hashed_again(source):
    source.property_rules = {"plan": "hash"}
    source.save()
    capture_many(source.tenant_id, [opened("u-1", plan="pro")])
    shown = shown_of(source, newest_calls(source), [], {"plan": "hash"})
    assert shown.before == shown.after


def test_a_hash_of_the_tenants_own_is_hashed_by_a_new_rule(source):
    own = "0" * 64
    capture_many(source.tenant_id, [opened("u-1", plan=own)])
    shown = shown_of(source, newest_calls(source), [], {"plan": "hash"})
    assert json.loads(shown.after or "")["properties"]["plan"] == hashed(source.tenant_id, own)


def test_a_rule_that_is_saved_hides_what_was_captured_before_it(admin_client, source, address):
    capture_many(source.tenant_id, [opened("u-1", plan="secret plan", title="secret title")])
    Source.objects.update(property_rules={"plan": "hash", "title": "drop"})
    before, _, after = text(admin_client.get(address)).partition("With this choice</h3>")
    assert ("secret plan" in before, "secret title" in before) == (True, True)
    assert ("secret" in after, hashed(source.tenant_id, "secret plan") in after) == (False, True)


def test_the_preview_has_the_anonymous_id_of_the_choice_or_says_that_it_would_be_refused(strangers):
    strangers.property_rules = {"email": "drop"}
    strangers.save()
    capture_many(strangers.tenant_id, [by_stranger("7", "Ada"), opened("u-1")])
    calls = newest_calls(strangers)
    as_it_is = shown_of(strangers, calls[1:], [], {}, "tool_id")
    assert as_it_is.before == as_it_is.after
    shown = shown_of(strangers, calls, [], {}, "email_hash")
    assert json.loads(shown.before)["anonymousId"] == "headwater-7"
    anonymous_id = email_anonymous_id(strangers.tenant_id, "ada@person.test")
    assert json.loads(shown.after or "") == {**json.loads(shown.before), "anonymousId": anonymous_id}
    refused = shown_of(strangers, calls, [], {}, "user_id")
    assert (refused.before, refused.after, refused.is_refused) == (shown.before, None, True)


def test_the_page_tells_what_sending_nothing_for_strangers_would_do(admin_client, strangers, address):
    page = text(admin_client.post(address, form(admin_client, address, identity="user_id", preview="1")))
    assert "It would be refused: it has no userId." in page
    assert re.findall(r'<td class="number">(\d+)</td>', page) == ["4", "1", "3", "1"]


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
    post_as_a_browser(admin_client, address, sent)
    assert Source.objects.get().property_rules == {"email": "hash", "two\nlines": "drop"}


def test_there_are_200_rules_at_most_and_what_was_entered_stays(admin_client, source, address):
    source.property_rules = {f"property_{number:03}": "drop" for number in range(MAX_RULES)}
    source.save()
    data = form(admin_client, address) | {f"rule:{name}": "drop" for name in source.property_rules}

    page = text(admin_client.post(address, data | {"property_name": "one_more", "property_rule": "hash"}))

    assert "There can be 200 rules for properties at most." in page
    assert shown(page)["rule:one_more"] == "hash"
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
    source.events_off, source.property_rules = ["Other Done"], {"plan": "hash"}
    source.save()
    data = form(admin_client, address, offered=["Email Opened"], events=[])
    del data["rule:plan"]
    admin_client.post(address, data)
    saved = Source.objects.get()
    assert (saved.events_off, saved.property_rules) == (["Email Opened", "Other Done"], {"plan": "hash"})


def test_what_the_page_offered_counts_when_the_newest_events_do_not_have_it_any_more(
    admin_client, source, address, monkeypatch
):
    monkeypatch.setattr(what_is_sent, "LOOKED_AT", PAYLOADS)
    capture_many(source.tenant_id, [track(event="Trial Started", user_id="u-1", properties={"plan": "pro"})])
    data = form(admin_client, address) | {"rule:plan": "drop"}
    capture_many(source.tenant_id, [opened("u-1") for _ in range(PAYLOADS)])
    assert "Trial Started" not in text(admin_client.get(address))

    data["events"] = [name for name in data["events"] if name != "Trial Started"]
    admin_client.post(address, data)

    saved = Source.objects.get()
    assert (saved.events_off, saved.property_rules) == (["Trial Started"], {"plan": "drop"})


def test_a_property_that_was_typed_and_looked_at_is_chosen_in_its_row(admin_client, source, address):
    typed = {"property_name": "phone", "property_rule": "drop"}
    page = text(admin_client.post(address, form(admin_client, address, preview="1", **typed)))
    data = shown(page)
    assert (data["rule:phone"], data["property_name"], data["property_rule"]) == ("drop", [], [""])

    admin_client.post(address, {**data, "property_name": "ssn", "property_rule": "hash"})
    assert Source.objects.get().property_rules == {"phone": "drop", "ssn": "hash"}

    page = text(admin_client.post(address, form(admin_client, address, preview="1", **typed)))
    admin_client.post(address, shown(page) | {"rule:phone": "keep"})
    assert Source.objects.get().property_rules == {"ssn": "hash"}


@pytest.mark.parametrize("name", ["a\0b", "two\r\nlines", "n" * 201])
def test_a_name_that_no_page_could_have_offered_is_passed_over(admin_client, source, address, name):
    data = form(admin_client, address)
    data |= {"offered": [*data["offered"], name], f"rule:{name}": "drop", "rule:email": "hash"}
    post_as_a_browser(admin_client, address, data)
    saved = Source.objects.get()
    assert (saved.events_off, saved.property_rules) == ([], {"email": "hash"})


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
