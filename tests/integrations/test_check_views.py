import pytest
from django.urls import reverse

from delivery import lanes
from delivery.batching import new_batch
from delivery.enums import Hold
from delivery.models import Event, Pending
from delivery.outbox import capture
from delivery.turn import take_turn
from integrations.confirming import MAX_WRONG_CODES, confirm, newest_test, send_test
from integrations.models import Source
from integrations.services import disconnect_source, pause_source
from integrations.spec.calls import track
from tenants.models import AuditEntry
from tests.conftest import WRITE_KEY, logged_in
from tests.integrations.test_views import said, text, url

pytestmark = pytest.mark.usefixtures("everything")


def code_of(source) -> str:
    test = newest_test(source)
    assert test is not None
    return test.code


def deeds():
    return [entry.deed for entry in AuditEntry.objects.order_by("pk")]


def test_a_code_that_is_found_in_segment_confirms_the_source(admin_client, source):
    page = text(admin_client.get(url("check", source)))
    assert "Send a test event" in page
    assert "Unverified" in page

    page = text(admin_client.post(url("send_test", source), follow=True))
    code = code_of(source)
    assert "Send another one" in page
    assert code not in page

    response = admin_client.post(url("check", source), {"code": code}, follow=True)
    assert response.redirect_chain == [(url("source", source), 302)]
    assert "is confirmed" in said(response)[0]
    assert Source.objects.get().is_confirmed
    assert deeds() == ["sent a test event to", "confirmed that events arrive from"]
    assert "Confirmed" in text(admin_client.get(url("segment")))


def test_the_page_tells_how_the_test_event_fares(admin_client, source, segment):
    admin_client.post(url("send_test", source))
    page = text(admin_client.get(url("check", source)))
    assert "On its way" in page
    assert 'hx-trigger="every 2s"' in page

    take_turn([source.pk])
    page = text(admin_client.get(url("check", source)))
    assert "On its way" not in page
    assert "It answers so to a wrong key, too." in page

    confirm(source, code_of(source))
    page = text(admin_client.get(url("check", source)))
    assert "It answers so to a wrong key" not in page
    assert "hx-trigger" not in page


def read_out(page):
    return page.partition('id="last-answer" aria-live="polite">')[2].partition("</div>")[0].strip()


def test_what_is_read_out_is_how_it_went_and_no_count(admin_client, source, segment):
    capture(source.tenant_id, track(event="Email Opened", user_id="u-1"))
    admin_client.post(url("send_test", source))
    page = text(admin_client.get(url("check", source)))
    assert "1 event goes before it." in page
    assert read_out(page) == ""
    assert 'hx-swap="none" hx-select-oob="#on-its-way:innerHTML,#last-answer:innerHTML"' in page

    take_turn([source.pk])
    page = text(admin_client.get(url("check", source)))
    assert "The last request with the test event" in read_out(page)
    assert '<div id="on-its-way"></div>' in page
    assert "aria-live" not in text(admin_client.get(url("not_showing", source)))


def test_another_events_answer_is_not_taken_for_the_test_events(admin_client, source, segment):
    capture(source.tenant_id, track(event="Email Opened", user_id="u-1"))
    admin_client.post(url("send_test", source))
    page = text(admin_client.get(url("check", source)))
    assert "On its way" in page
    assert "1 event goes before it." in page
    # The two go in batches of their own, the older one first.
    in_a_batch = Event.objects.earliest("pk")
    Pending.objects.filter(event_id=in_a_batch.pk).delete()
    new_batch(source.pk, source.tenant_id, [in_a_batch.pk], in_a_batch.bytes)
    assert "1 event goes before it." in text(admin_client.get(url("check", source)))
    test_event = Pending.objects.get()
    Pending.objects.all().delete()
    take_turn([source.pk])
    Pending.objects.create(source=source, event_id=test_event.event_id, bytes=test_event.bytes)

    page = text(admin_client.get(url("check", source)))
    assert "On its way" in page
    assert "before it" not in page
    assert "Accepted" not in page

    take_turn([source.pk])
    page = text(admin_client.get(url("check", source)))
    assert "The last request with the test event" in page
    assert "Accepted" in page
    assert "Accepted" in text(admin_client.get(url("not_showing", source)))


def test_a_test_event_of_which_nothing_is_known_is_neither_on_its_way_nor_accepted(admin_client, source):
    admin_client.post(url("send_test", source))
    Event.objects.all().delete()
    page = text(admin_client.get(url("check", source)))
    assert "No request with this test event is known." in page
    assert "On its way" not in page


def test_a_test_event_that_is_held_back_is_not_on_its_way(admin_client, source):
    admin_client.post(url("send_test", source))
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Segment refuses the key.")
    page = text(admin_client.get(url("check", source)))
    assert "Segment refuses the key." in page
    assert url("replace_key", source) in page
    assert "On its way" not in page
    lanes.hold(source.pk, Hold.STAFF, "Our staff has stopped sending: a test")
    assert url("replace_key", source) not in text(admin_client.get(url("check", source)))


def test_sent_twice_the_forms_do_it_once(admin_client, source):
    for _ in range(2):
        admin_client.post(url("send_test", source))
    assert Event.objects.count() == 1
    code = code_of(source)
    for _ in range(2):
        assert "is confirmed" in said(admin_client.post(url("check", source), {"code": code}, follow=True))[-1]
    assert deeds() == ["sent a test event to", "confirmed that events arrive from"]


def test_a_wrong_code_says_what_to_compare_and_how_many_tries_are_left(admin_client, source):
    send_test(source)
    page = text(admin_client.post(url("check", source), {"code": "ABCABC"}))
    assert "not the code of the newest test event" in page
    assert "4 tries left" in page

    for _ in range(MAX_WRONG_CODES - 1):
        page = text(admin_client.post(url("check", source), {"code": "ABCABC"}))
    assert "too many wrong codes" in page
    assert "tries left" not in page
    assert '<button class="button button--primary" type="submit">Send another one' in page


@pytest.mark.parametrize(("region", "host"), [("us", ">app.segment.com<"), ("eu", ">eu1.app.segment.com<")])
def test_the_page_says_by_which_address_the_workspace_is_known(admin_client, source, region, host):
    Source.objects.update(region=region)
    assert host in text(admin_client.get(url("check", source)))


def test_the_stand_in_is_the_debugger_of_the_demo_alone(admin_client, source, segment, settings):
    address = segment.us_url.removesuffix("us/v1")
    settings.DEMO = True
    assert f'href="{address}"' in text(admin_client.get(url("check", source)))
    settings.DEMO = False
    assert f'href="{address}"' not in text(admin_client.get(url("check", source)))
    settings.DEMO, settings.SEGMENT_URLS = True, {"us": "https://api.segment.io/v1"}
    assert "stand-in" not in text(admin_client.get(url("check", source)))


def test_a_code_before_a_test_and_no_code_at_all(admin_client, source):
    assert "Send one first" in text(admin_client.post(url("check", source), {"code": "ABC234"}))
    assert "Type the six characters" in text(admin_client.post(url("check", source), {"code": ""}))


def test_a_test_of_a_paused_source_is_not_sent(admin_client, source):
    pause_source(source)
    assert "while it is connected" in text(admin_client.get(url("check", source)))
    response = admin_client.post(url("send_test", source), follow=True)
    assert "only while it is connected" in said(response)[0]
    assert deeds() == []


def test_the_way_through_the_reasons_shows_what_is_known(viewer_client, admin_client, source):
    for client in (viewer_client, admin_client):
        page = text(client.get(url("not_showing", source)))
        order = [page.index(words) for words in ("key is wrong", "region is wrong", "disabled in Segment")]
        assert order == sorted(order)
        assert "••••2345" in page
        assert "United States (Oregon)" in page
        assert "No request has been made" in page
        assert WRITE_KEY not in page
    assert url("replace_key", source) in page
    assert url("replace_key", source) not in text(viewer_client.get(url("not_showing", source)))


@pytest.mark.parametrize("name", ["check", "send_test", "not_showing"])
@pytest.mark.parametrize("tenant_slug", ["acme", "other"])
def test_a_stranger_finds_none_of_it(stranger_client, source, other_source, name, tenant_slug):
    address = url(name, source, tenant_slug)
    assert stranger_client.post(address, {"code": "ABC234"}).status_code in {404, 405}
    assert not Event.objects.exists()


@pytest.mark.parametrize("name", ["check", "send_test"])
def test_a_viewer_may_not_test(viewer_client, source, name):
    assert viewer_client.post(url(name, source), {"code": "ABC234"}).status_code == 403
    assert not Event.objects.exists()


@pytest.mark.parametrize("name", ["check", "rename", "replace_key", "change_region", "reconnect", "disconnect"])
def test_the_page_of_a_source_that_is_gone_is_not_found(admin_client, source, name):
    address = url(name, source)
    source.delete()
    assert admin_client.get(address).status_code == admin_client.post(address).status_code == 404


def test_replaced_key_asks_for_the_check_again(admin_client, source):
    send_test(source)
    confirm(source, code_of(source))
    response = admin_client.post(url("replace_key", source), {"write_key": WRITE_KEY}, follow=True)
    assert response.redirect_chain == [(url("check", source), 302)]
    assert "Unverified" in text(response)
    disconnect_source(source)
    assert "Unverified" not in text(admin_client.get(url("segment")))


# What two people, or one with a nervous finger, do to the forms of a source.


def seen(client, address) -> str:
    return str(text(client.get(address))).partition('name="seen" value="')[2].partition('"')[0]


def test_the_later_of_two_saves_gets_a_page_that_says_so(owner, admin_client, source):
    address = url("rename", source)
    stamp = seen(admin_client, address)
    logged_in(owner).post(address, {"name": "Theirs"})

    response = admin_client.post(address, {"name": "Mine", "seen": stamp})

    page = text(response)
    assert response.status_code == 409
    assert "Somebody changed this source" in page
    assert "“Theirs”" in page
    assert 'value="Mine"' in page
    assert Source.objects.get().name == "Theirs"

    admin_client.post(address, {"name": "Mine", "seen": page.partition('name="seen" value="')[2].partition('"')[0]})
    assert Source.objects.get().name == "Mine"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rename", {"name": "New"}),
        ("replace_key", {"write_key": "zYxWvUtSrQpOnMlKjIhGfEdCbA543210"}),
        ("change_region", {"region": "eu"}),
        ("pause", {}),
        ("disconnect", {}),
    ],
)
def test_a_form_that_is_sent_twice_is_done_once_and_told_so_twice(admin_client, source, name, data):
    address = url(name, source)
    if name != "pause":
        data = {**data, "seen": seen(admin_client, address)}
    first = said(admin_client.post(address, data, follow=True))
    version = Source.objects.get().version
    assert said(admin_client.post(address, data, follow=True)) == first
    assert Source.objects.get().version == version
    assert len(deeds()) == 1


def test_a_key_that_somebody_replaced_meanwhile_stays(admin_client, owner_client, source):
    stamp = seen(admin_client, url("replace_key", source))
    owner_client.post(url("change_region", source), {"region": "eu"})
    theirs = Source.objects.get().version

    data = {"write_key": "zYxWvUtSrQpOnMlKjIhGfEdCbA543210", "seen": stamp}
    response = admin_client.post(url("replace_key", source), data)

    assert response.status_code == 409
    assert "Europe (Dublin)" in text(response)
    assert "zYxW" not in text(response)
    assert Source.objects.get().version == theirs


def test_a_source_is_connected_without_the_events_that_were_unticked(admin_client, tenant):
    data = {"name": "Production", "write_key": WRITE_KEY, "region": "eu", "offered": ["Email Opened"]}
    admin_client.post(reverse("integrations:connect", args=["acme"]), data)
    assert Source.objects.get().events_off == ["Email Opened"]
    assert deeds() == ["connected"]


def test_the_form_to_connect_offers_each_event_with_an_example(admin_client, tenant):
    page = text(admin_client.get(url("connect")))
    assert page.count('name="events"') == page.count(" checked>") == 6
    assert "What Email Opened carries" in page
    assert "&quot;campaign_name&quot;: &quot;Spring news&quot;" in page
