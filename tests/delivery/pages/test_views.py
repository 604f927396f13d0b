import re
from datetime import timedelta
from html import escape
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from delivery import lanes
from delivery.batching import new_batch
from delivery.enums import Hold
from delivery.lanes import LEASE_SECONDS
from delivery.models import Attempt, Event
from delivery.outbox import capture, capture_built
from delivery.turn import take_turn
from integrations.spec.calls import Call
from tenants.scoping import every_tenant
from tests.conftest import WRITE_KEY, make_source

HTMX = {"HX-Request": "true"}
PAGES = ["state", "delivery", "refusals", "attempts"]


def page(source, name="delivery", *more):
    return reverse(f"delivery:{name}", args=[source.tenant.slug, source.pk, *more])


def text_of(client, address, **given):
    response = client.get(address, **given)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("segment")
def test_event_page_shows_its_json_batch_and_requests(source, viewer_client, call):
    (event_id,) = capture(source.tenant_id, call).event_ids
    take_turn([source.pk])
    assert "Email Opened" in text_of(viewer_client, page(source))
    text = text_of(viewer_client, page(source, "event", event_id))
    for expected in ("Accepted", '<span class="json-text">&quot;e-1&quot;</span>', "SEGMENT_WRITE_KEY", "200"):
        assert expected in text
    assert WRITE_KEY not in text
    assert "Accepted" in text_of(viewer_client, page(source, "attempts"))


@pytest.mark.django_db
def test_event_refused_for_want_of_a_person_leads_to_what_helps(source, viewer_client, admin_client, call):
    refusal = capture(source.tenant_id, {**call, "userId": None}).refused[0]
    for client, may in ((viewer_client, False), (admin_client, True)):
        text = text_of(client, page(source, "refusal", refusal.pk))
        assert reverse("integrations:from_segment", args=["acme"]) in text
        assert (page(source, "what_is_sent") in text) is may


@pytest.mark.django_db
def test_refused_event_has_its_reason_remedy_and_excerpt(source, viewer_client, call):
    refusal = capture(source.tenant_id, {**call, "userId": None}).refused[0]
    listed = text_of(viewer_client, page(source, "refusals"))
    shown = text_of(viewer_client, page(source, "refusal", refusal.pk))
    for text in (listed, shown):
        assert "Nobody to attach it to" in text
        assert escape(refusal.findings[0]["remedy"]) in text
    assert "email_id" in shown
    assert "Email Opened" not in text_of(viewer_client, page(source, "refusals") + "?reason=too_large")


@pytest.mark.django_db
def test_event_refused_by_a_fault_of_ours_asks_nothing_of_the_customer(source, viewer_client):
    captured = capture_built(source.tenant_id, "Email Opened", lambda: dict[str, Call]()["missing"])
    for address in (page(source, "refusals"), page(source, "refusal", captured.refused[0].pk)):
        text = text_of(viewer_client, address)
        assert "The fault is ours: there is nothing for you to mend. Write to" in text
        assert "Mend what is said below" not in text


@pytest.mark.django_db
def test_debugger_tells_why_sending_is_held(source, viewer_client):
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    for name in ("delivery", "state"):
        assert "Segment refuses the write key since" in text_of(viewer_client, page(source, name))


@pytest.mark.django_db
def test_event_that_waits_says_why(source, viewer_client, call):
    (event_id,) = capture(source.tenant_id, call).event_ids
    text = text_of(viewer_client, page(source, "event", event_id))
    assert 'hx-trigger="every 3s"' in text
    assert "Starting:" not in text
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    assert "Segment refuses the write key since" in text_of(viewer_client, page(source, "event", event_id))


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "words"), [(0, "Under way"), (LEASE_SECONDS, "Unknown (not recorded)")])
def test_request_without_an_end_is_under_way_as_long_as_a_worker_may_wait(source, viewer_client, age, words):
    with every_tenant():
        batch = new_batch(source.pk, source.tenant_id, [1], 40)
        started = timezone.now() - timedelta(seconds=age)
        Attempt.objects.create(
            batch=batch, source=source, number=1, region="us", source_version=1, lease_token=uuid4(), started_at=started
        )
    assert words in text_of(viewer_client, page(source, "attempts"))


@pytest.mark.django_db
def test_lists_of_sources_say_that_one_is_held_in_one_query_for_all(
    tenant, source, viewer_client, django_assert_num_queries
):
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Paste the key.")
    for address in (reverse("integrations:segment", args=["acme"]), reverse("integrations:index", args=["acme"])):
        text_of(viewer_client, address)
        # Session, user, membership, sources counted and shown, their lanes, and the tenants of the menu.
        with django_assert_num_queries(7):
            text = text_of(viewer_client, address)
        assert "Held: Segment refuses the write key" in text
        assert "Connected</span>" not in text
    make_source(tenant, WRITE_KEY, name="Second")
    with django_assert_num_queries(7):
        assert "Connected</span>" in text_of(viewer_client, address)


@pytest.mark.django_db
def test_pages_of_an_idle_source_say_so(source, viewer_client):
    for name, words in (
        ("delivery", "No event yet"), ("refusals", "Nothing was refused"), ("attempts", "No request yet"),
        ("state", "Never used"),
    ):  # fmt: skip
        assert words in text_of(viewer_client, page(source, name))


@pytest.mark.django_db
def test_pages_are_404_for_a_stranger_and_a_foreign_source(source, other_source, viewer_client, stranger_client, call):
    (event_id,) = capture(source.tenant_id, call).event_ids
    refusal = capture(source.tenant_id, {**call, "userId": None}).refused[0]
    own = [*((name,) for name in PAGES), ("event", event_id), ("refusal", refusal.pk)]
    for name, *more in own:
        assert stranger_client.get(page(source, name, *more)).status_code == 404
        foreign = reverse(f"delivery:{name}", args=[source.tenant.slug, other_source.pk, *more])
        assert viewer_client.get(foreign).status_code == 404
        theirs = reverse(f"delivery:{name}", args=[other_source.tenant.slug, other_source.pk, *more])
        assert not more or stranger_client.get(theirs).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_pages_ask_for_a_log_in(source, client, name):
    assert client.get(page(source, name)).status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "number"), [("event", 4), ("event", 10**30), ("refusal", 4), ("refusal", 10**30)])
def test_unknown_rows_have_a_clear_page(source, viewer_client, name, number):
    response = viewer_client.get(page(source, name, number))
    assert response.status_code == 404
    assert "or it is older than what is kept" in response.content.decode()


@pytest.mark.django_db
def test_event_that_was_erased_or_is_kept_no_more_says_so(source, viewer_client, call):
    (event_id,) = capture(source.tenant_id, call).event_ids
    with every_tenant():
        new_batch(source.pk, source.tenant_id, [event_id], 40)
        Event.objects.update(payload="")
        assert "was erased on request" in text_of(viewer_client, page(source, "event", event_id))
        Event.objects.all().delete()
        assert "is not kept any more" in text_of(viewer_client, page(source, "event", event_id))


@pytest.mark.django_db
def test_source_page_begins_with_its_delivery(source, viewer_client):
    text = text_of(viewer_client, reverse("integrations:source", args=[source.tenant.slug, source.pk]))
    assert text.index("Never used") < text.index("Fingerprint")
    assert page(source) in text
    assert 'role="img"' in text


@pytest.mark.django_db
def test_sentence_over_the_list_asks_for_itself_without_the_charts(source, viewer_client, django_assert_num_queries):
    alone = page(source, "state") + "?part=sentence"
    assert f'hx-get="{alone}"' in text_of(viewer_client, page(source))
    # Session, user, membership, source and its state; the charts are two more.
    with django_assert_num_queries(5):
        told = text_of(viewer_client, alone)
    assert "Never used" in told
    assert 'role="img"' not in told
    with django_assert_num_queries(7):
        assert 'role="img"' in text_of(viewer_client, page(source, "state"))


@pytest.mark.django_db
def test_htmx_gets_the_part_that_changes_and_nothing_when_it_has_not(source, viewer_client, call):
    capture(source.tenant_id, call)
    whole = text_of(viewer_client, page(source))
    part = text_of(viewer_client, page(source), headers=HTMX)
    assert part.strip().startswith("<section")
    assert part.strip() in whole
    seen = page(source) + "?seen=" + re.findall(r"seen=(\w+)", part)[0]
    assert viewer_client.get(seen, headers=HTMX).status_code == 204
    assert viewer_client.get(seen).status_code == 200
    capture(source.tenant_id, call)
    response = viewer_client.get(seen, headers=HTMX)
    assert response.status_code == 200
    assert "HX-Request" in response.headers["Vary"]
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_stream_asks_for_itself_unless_it_is_paused_or_older(source, viewer_client, call):
    (event_id,) = capture(source.tenant_id, call).event_ids
    assert "every 3s" in text_of(viewer_client, page(source))
    for query in ("?paused=1", f"?before={event_id + 1}"):
        text = text_of(viewer_client, page(source) + query)
        assert "every 3s" not in text
        assert "Email Opened" in text


@pytest.mark.django_db
def test_paused_stream_stays_so_with_another_filter(source, viewer_client):
    kept = '<input type="hidden" name="paused" value="1" form="filter">'
    assert kept in text_of(viewer_client, page(source) + "?paused=1", headers=HTMX)
    assert kept not in text_of(viewer_client, page(source), headers=HTMX)


@pytest.mark.django_db
def test_empty_filter_of_refused_events_is_none(source, viewer_client):
    address = page(source, "refusals")
    assert "Nothing was refused" in text_of(viewer_client, address + "?name=&user=&reason=")
    assert "No such refused event" in text_of(viewer_client, address + "?name=&user=&reason=spec")


@pytest.mark.django_db
def test_stream_keeps_its_filter(source, viewer_client, call):
    capture(source.tenant_id, call)
    text = text_of(viewer_client, page(source) + "?name=opened&state=waiting")
    assert "?name=opened&amp;state=waiting&amp;seen=" in text
    assert "Email Opened" in text
    assert "No such event" in text_of(viewer_client, page(source) + "?name=bounced")


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["?before=x", "?before=99999999999999999999", "?state=odd", "?name=%00&user=%00"])
def test_filters_that_make_no_sense_break_nothing(source, viewer_client, call, query):
    capture(source.tenant_id, call)
    assert "Email Opened" in text_of(viewer_client, page(source) + query)


@pytest.mark.django_db
def test_event_page_lists_findings_with_their_remedies(source, viewer_client, call):
    odd = {**call, "event": "Link Clicked", "properties": {"linkUrl": "https://acme.test"}}
    (event_id,) = capture(source.tenant_id, odd).event_ids
    assert "2 warnings" in text_of(viewer_client, page(source))
    text = text_of(viewer_client, page(source, "event", event_id))
    for expected in ("Call it “Email Link Clicked”.", "link_url"):
        assert expected in text


@pytest.mark.django_db
@pytest.mark.parametrize("events", [1, 3])
def test_debugger_asks_the_same_for_one_event_and_three(source, viewer_client, call, events, django_assert_num_queries):
    for _ in range(events):
        capture(source.tenant_id, call)
    with django_assert_num_queries(9):
        viewer_client.get(page(source))
    with django_assert_num_queries(6):
        viewer_client.get(page(source), headers=HTMX)
