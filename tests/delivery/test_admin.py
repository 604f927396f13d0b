import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from delivery import admin_search, admin_states
from delivery.admin_states import newest_in, states_of
from delivery.models import Attempt, Batch, Event, Lane, Pending, RateHold, Refusal
from integrations.enums import SourceState
from tenants.scoping import every_tenant
from tests.conftest import WRITE_KEY
from tests.integrations.test_admin import queries_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOBODYS_ID = "0b7d6f3e-51c2-4a89-9e14-7c2f8a6d9b30"
MODELS = ("event", "batch", "attempt", "refusal", "lane", "ratehold")


def make_event(source, name="Email Opened", user_id="u-1", **fields):
    message_id = uuid.uuid4()
    call = {"type": "track", "event": name, "userId": user_id, "messageId": str(message_id)}
    payload = json.dumps(call)
    event = Event(
        tenant_id=source.tenant_id, source=source, message_id=message_id, type="track", name=name, user_id=user_id,
        payload=payload, bytes=len(payload), **{"occurred_at": NOW, "captured_at": NOW, **fields},
    )  # fmt: skip
    event.save()
    return event


def wait(event):
    Pending(source=event.source, event_id=event.pk, bytes=event.bytes).save(force_insert=True)
    return event


def make_batch(source, events, state="open", **fields):
    closed_at = None if state == "open" else NOW + timedelta(seconds=3)
    batch = Batch(
        tenant_id=source.tenant_id, source=source, event_ids=[event.pk for event in events], event_count=len(events),
        bytes=sum(event.bytes for event in events), state=state, closed_at=closed_at,
        **{"waiting_since": NOW, "created_at": NOW + timedelta(seconds=1), **fields},
    )  # fmt: skip
    batch.save()
    return batch


def make_attempt(batch, number=1, **fields):
    attempt = Attempt(
        batch=batch, source=batch.source, number=number, source_version=1, lease_token=uuid.uuid4(),
        **{"region": "us", "started_at": NOW + timedelta(seconds=2), **fields},
    )  # fmt: skip
    attempt.save()
    return attempt


def lane_of(source):
    with every_tenant():
        return Lane.objects.get_or_create(pk=source.pk)[0]


def columns_of(obj):
    with every_tenant():
        return type(obj).objects.values().get()


def address(model, obj=None):
    return f"/admin/delivery/{model}/{f'{obj.pk}/change/' if obj else ''}"


def found(client, model, **query):
    response = client.get(address(model), query)
    assert response.status_code == 200
    return [obj.pk for obj in response.context["cl"].result_list]


def cards(response):
    assert response.status_code == 200
    return {card["title"]: card for card in [*response.context["cards_before"], *response.context["cards_after"]]}


def text_of(html):
    return " ".join(unescape(strip_tags(html)).split())


def journey_of(client, event):
    table = cards(client.get(address("event", event)))["Journey"]["table"]
    return [tuple(text_of(cell) for cell in row) for row in table["rows"]]


@pytest.fixture
def everything(source):
    """One of each, connected with each other."""
    event = make_event(source)
    batch = make_batch(source, [event], "accepted")
    refusal = Refusal(tenant_id=source.tenant_id, source=source, reason="spec", name="purchase", refused_at=NOW,
                      findings=[{"severity": "error", "code": "E1", "path": "event", "message": "No", "remedy": "Do"}],
                      excerpt='{"event": "purchase"}')  # fmt: skip
    refusal.save()
    hold = RateHold(key_id="f" * 64, until=timezone.now() + timedelta(minutes=1))
    hold.save()
    attempt = make_attempt(batch, outcome="accepted", status_code=200, answer='{"success":true}',
                           finished_at=NOW + timedelta(seconds=2.25))  # fmt: skip
    return {"event": event, "batch": batch, "attempt": attempt, "refusal": refusal, "lane": lane_of(source),
            "ratehold": hold}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_staff_see_list_and_page(staff_client, everything, model):
    assert found(staff_client, model) == [everything[model].pk]
    assert staff_client.get(address(model, everything[model])).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_owner_of_a_tenant_is_refused(owner_client, everything, model):
    assert owner_client.get(address(model), follow=True).status_code == 403
    assert owner_client.get(address(model, everything[model]), follow=True).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_anonymous_visitor_is_sent_to_the_log_in(client, everything, model):
    response = client.get(address(model), follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("model", MODELS)
def test_nothing_can_be_changed(staff_client, everything, model):
    obj = everything[model]
    before = columns_of(obj)
    fields = dict.fromkeys(before, "7") | {"post": "yes"}
    page = address(model, obj)
    for target in (page, page.replace("change/", "delete/"), f"{address(model)}add/"):
        assert staff_client.post(target, fields).status_code == 403
    staff_client.post(address(model), {"action": "delete_selected", "_selected_action": [obj.pk], "post": "yes"})
    assert columns_of(obj) == before


@pytest.mark.parametrize("model", MODELS)
def test_write_key_is_on_no_page(staff_client, everything, model):
    pages = [staff_client.get(address(model)), staff_client.get(address(model, everything[model]))]
    assert [WRITE_KEY.encode() in page.content for page in pages] == [False, False]


@pytest.mark.parametrize("model", ["event", "batch", "attempt", "refusal"])
def test_lists_take_as_many_queries_for_three_as_for_one(staff_client, everything, other_source, model):
    one = queries_of(staff_client, address(model))
    for source in (everything["event"].source, other_source):
        batch = make_batch(source, [make_event(source)], "accepted")
        make_attempt(batch, outcome="accepted")
        Refusal(tenant_id=source.tenant_id, source=source, reason="spec", refused_at=NOW).save()
    assert len(found(staff_client, model)) == 3
    assert queries_of(staff_client, address(model)) == one


def test_lanes_take_as_many_queries_for_two_as_for_one(staff_client, source, other_source):
    lane_of(source)
    one = queries_of(staff_client, address("lane"))
    lane_of(other_source)
    assert len(found(staff_client, "lane")) == 2
    assert queries_of(staff_client, address("lane")) == one


def test_batch_page_takes_as_many_queries_for_three_events_as_for_one(staff_client, source):
    small = make_batch(source, [make_event(source)])
    large = make_batch(source, [make_event(source) for _ in range(3)])
    for number in (1, 2, 3):
        make_attempt(large, number)
    one = queries_of(staff_client, address("batch", small))
    assert queries_of(staff_client, address("batch", large)) == one


@pytest.fixture
def two_tenants(source, other_source):
    """Two events in two batches with one attempt each, of two tenants."""
    mine = make_event(source, "Email Opened", "u-1")
    theirs = make_event(other_source, "Signed Up", "u-2")
    batches = [make_batch(source, [mine]), make_batch(other_source, [theirs])]
    attempts = [make_attempt(batch) for batch in batches]
    return {"event": [mine, theirs], "batch": batches, "attempt": attempts}


@pytest.mark.parametrize("model", ["event", "batch", "attempt"])
@pytest.mark.parametrize("term", ["messageId", "u-1", "Email Opened", "email op", "acme", "Acme", " u-1 "])
def test_search_finds_by_message_id_user_id_name_and_tenant(staff_client, two_tenants, model, term):
    if term == "messageId":
        term = str(two_tenants["event"][0].message_id)
    assert found(staff_client, model, q=term) == [two_tenants[model][0].pk]


@pytest.mark.parametrize("model", ["event", "batch", "attempt"])
@pytest.mark.parametrize("term", ["u-", "pened", "9" * 30, "\x00", "%", NOBODYS_ID])
def test_search_finds_nothing_by_parts_and_nonsense(staff_client, two_tenants, model, term):
    assert found(staff_client, model, q=term) == (
        [] if term != "\x00" else [obj.pk for obj in two_tenants[model]][::-1]
    )


@pytest.mark.parametrize("model", ["batch", "attempt"])
def test_search_finds_by_the_batchs_number(staff_client, two_tenants, model):
    number = str(two_tenants["batch"][1].pk)
    assert found(staff_client, model, q=number) == [two_tenants[model][1].pk]


def test_user_id_that_is_a_uuid_is_found(staff_client, source):
    user_id = str(uuid.uuid4())
    event = make_event(source, user_id=user_id)
    make_event(source)
    assert found(staff_client, "event", q=user_id) == [event.pk]


def test_refusals_are_found(staff_client, everything, other_source):
    Refusal(tenant_id=other_source.tenant_id, reason="spec", user_id="u-9", excerpt="m-9", refused_at=NOW).save()
    with every_tenant():
        first, other = Refusal.objects.order_by("id").values_list("pk", flat=True)
    terms = {"purch": [first], "acme": [first], "u-9": [other], "m-9": [other], "Other": [other], "nobody": []}
    assert {term: found(staff_client, "refusal", q=term) for term in terms} == terms


def test_lanes_are_found_by_tenant(staff_client, source, other_source):
    lane_of(source)
    lane_of(other_source)
    assert found(staff_client, "lane", q="other") == [other_source.pk]


def test_rate_hold_is_found_by_its_beginning(staff_client, everything):
    assert [found(staff_client, "ratehold", q=term) for term in ("ffff", "eeee")] == [["f" * 64], []]


FILL = """
insert into delivery_event
(tenant_id, source_id, message_id, type, name, user_id, payload, bytes, occurred_at, captured_at)
select %s, %s, gen_random_uuid(), 'track', 'Filler', 'f-' || n, '{}', 2, now(), now() from generate_series(1, 20000) n
"""


@pytest.mark.parametrize("term", ["u-1", "nobody", "acme", "other", "Email Opened", NOBODYS_ID])
def test_search_of_events_never_walks_through_all(two_tenants, monkeypatch, term):
    monkeypatch.setattr(admin_search, "NEWEST", 100)
    event = two_tenants["event"][0]
    with connection.cursor() as cursor:
        cursor.execute(FILL, [event.tenant_id, event.source_id])
        cursor.execute("analyze delivery_event")
        with every_tenant(), CaptureQueriesContext(connection) as queries:
            list(Event.objects.filter(admin_search.event_condition(term)).order_by("-id")[:50])
        for query in queries:
            cursor.execute("explain (analyze, timing off, summary off) " + query["sql"])
            plan = "\n".join(line for (line,) in cursor.fetchall())
            # The partitions ahead have no rows.
            assert "Seq Scan on delivery_event_1 " not in plan
            removed = [int(number) for number in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
            assert sum(removed) <= 100, plan


def test_events_are_filtered_by_state(staff_client, source):
    waiting, accepted, aside = wait(make_event(source)), make_event(source), make_event(source)
    make_batch(source, [accepted], "accepted")
    make_batch(source, [aside], "set_aside")
    by_state = {"waiting": [waiting.pk], "accepted": [accepted.pk], "set_aside": [aside.pk], "open": []}
    assert {state: found(staff_client, "event", state=state) for state in by_state} == by_state


def test_events_are_filtered_by_region_type_and_time(staff_client, source):
    event = make_event(source, captured_at=timezone.now())
    make_event(source, captured_at=timezone.now() - timedelta(hours=2))
    assert found(staff_client, "event", within="1h") == [event.pk]
    assert len(found(staff_client, "event", region="us")) == 2
    assert found(staff_client, "event", region="eu") == []
    assert len(found(staff_client, "event", type="track")) == 2
    assert found(staff_client, "event", type="page") == []
    assert len(found(staff_client, "event", _facets="True")) == 2


def test_filters_of_events_without_an_index_look_at_the_newest(staff_client, source, monkeypatch):
    monkeypatch.setattr(admin_search, "NEWEST", 1)
    make_event(source, captured_at=timezone.now())
    newest = make_event(source, captured_at=timezone.now())
    for asked in ({"within": "1h"}, {"region": "us"}, {"type": "track"}):
        assert found(staff_client, "event", **asked) == [newest.pk]


@pytest.mark.parametrize("most", [1, 2, 5])
def test_newest_waiting_events_are_found_source_by_source(source, other_source, monkeypatch, most):
    """The third is accepted, and the fifth is of a source that captures much."""
    monkeypatch.setattr(admin_states, "MOST_EVENTS", most)
    owners = [source, other_source, source, source, other_source, other_source]
    events = [make_event(owner) for owner in owners]
    waiting = [wait(event).pk for number, event in enumerate(events) if number != 2]
    with every_tenant():
        assert newest_in("waiting") == sorted(waiting, reverse=True)[:most]


def test_newest_events_in_a_state_are_those_of_the_newest_batches(source, monkeypatch):
    monkeypatch.setattr(admin_states, "MOST_EVENTS", 3)
    events = [make_event(source) for _ in range(6)]
    for some in (events[:2], events[2:4], events[4:]):
        make_batch(source, some, "quarantined")
    with every_tenant():
        assert newest_in("quarantined") == [event.pk for event in events[5:2:-1]]
        assert newest_in("accepted") == []


def test_states_are_looked_up_for_the_events_of_the_page_alone(staff_client, source):
    for _ in range(3):
        make_batch(source, [make_event(source)], "accepted")
    with CaptureQueriesContext(connection) as queries:
        response = staff_client.get(address("event"))
    assert [event.state for event in response.context["cl"].result_list] == ["accepted"] * 3
    (listing,) = [query["sql"] for query in queries if 'ORDER BY "delivery_event"."id" DESC LIMIT 50' in query["sql"]]
    assert "delivery_batch" not in listing


@pytest.mark.parametrize("model", ["event", "batch", "attempt"])
def test_tenant_with_a_great_many_sources_is_searched_among_the_newest(staff_client, two_tenants, monkeypatch, model):
    monkeypatch.setattr(admin_search, "MOST_SOURCES", 0)
    assert found(staff_client, model, q="acme") == [two_tenants[model][0].pk]
    monkeypatch.setattr(admin_search, "NEWEST", 1)
    assert found(staff_client, model, q="acme") == []
    assert found(staff_client, model, q="other") == [two_tenants[model][1].pk]


@pytest.mark.parametrize("model", ["event", "batch", "attempt"])
@pytest.mark.parametrize("most", [0, 100])
def test_term_that_is_a_tenant_and_a_user_finds_both(staff_client, source, other_source, monkeypatch, model, most):
    monkeypatch.setattr(admin_search, "MOST_SOURCES", most)
    of_tenant, of_user, nobodys = make_event(source), make_event(other_source, user_id="acme"), make_event(other_source)
    rows = {"event": [of_tenant, of_user, nobodys]}
    rows["batch"] = [make_batch(event.source, [event]) for event in rows["event"]]
    rows["attempt"] = [make_attempt(batch) for batch in rows["batch"]]
    assert found(staff_client, model, q="acme") == [rows[model][1].pk, rows[model][0].pk]


def test_texts_of_refusals_are_searched_among_the_newest(staff_client, everything, other_source, monkeypatch):
    monkeypatch.setattr(admin_search, "NEWEST_REFUSALS", 1)
    newest = Refusal(tenant_id=other_source.tenant_id, source=other_source, reason="spec", refused_at=NOW)
    newest.save()
    # By its tenant it is found however old it is.
    assert found(staff_client, "refusal", q="purch") == []
    assert found(staff_client, "refusal", q="acme") == [everything["refusal"].pk]


def test_refusals_are_filtered_by_region(staff_client, everything):
    assert found(staff_client, "refusal", region="us") == [everything["refusal"].pk]
    assert found(staff_client, "refusal", region="eu") == []


def test_batches_are_filtered_by_state(staff_client, source):
    make_batch(source, [])
    quarantined = make_batch(source, [], "quarantined")
    assert found(staff_client, "batch", state__exact="quarantined") == [quarantined.pk]


def test_attempts_are_filtered_by_answer_outcome_and_region(staff_client, source):
    batch = make_batch(source, [])
    ok = make_attempt(batch, 1, outcome="accepted", status_code=200)
    bad = make_attempt(batch, 2, outcome="server_error", status_code=503, region="eu")
    none = make_attempt(batch, 3, outcome="timeout")
    assert found(staff_client, "attempt", answer="200") == [ok.pk]
    assert found(staff_client, "attempt", answer="5xx") == [bad.pk]
    assert found(staff_client, "attempt", answer="none") == [none.pk]
    assert found(staff_client, "attempt", outcome__exact="timeout") == [none.pk]
    assert found(staff_client, "attempt", region__exact="eu") == [bad.pk]


def test_state_of_an_event_is_of_its_last_batch(source):
    waiting, halved, lost = wait(make_event(source)), make_event(source), make_event(source)
    parent = make_batch(source, [halved, lost], "split")
    make_batch(source, [halved], "quarantined", parent=parent)
    alone = make_event(source)
    with every_tenant():
        states = states_of(list(Event.objects.all()))
    assert states == {waiting.pk: "waiting", halved.pk: "quarantined", lost.pk: "split", alone.pk: None}


def test_journey_of_an_accepted_event(staff_client, everything):
    batch = everything["batch"]
    assert journey_of(staff_client, everything["event"]) == [
        ("2026-03-01 12:00:00", "Captured", "for Main"),
        ("2026-03-01 12:00:01", "Put in a batch", f"batch {batch.pk} with 1 event"),
        ("2026-03-01 12:00:02", "Accepted", 'Attempt 1: 200 · {"success":true} · 0.250 s'),
        ("2026-03-01 12:00:03", "Accepted", "Segment's API answered 200 with success."),
    ]


def test_journey_of_a_waiting_event_says_why(staff_client, source):
    event = wait(make_event(source))
    assert journey_of(staff_client, event)[1:] == [("now", "Waiting", "Waits to be put in a batch.")]
    lane = lane_of(source)
    lane.hold, lane.hold_reason, lane.held_at = "key_refused", "Paste a new key.", NOW
    lane.save()
    assert journey_of(staff_client, event)[1][2] == "The lane is held: Paste a new key."
    source.state = SourceState.PAUSED
    source.save()
    assert journey_of(staff_client, event)[1][2] == "The source is paused: its events wait until it is resumed."


def test_journey_of_a_quarantined_half(staff_client, source):
    event = make_event(source)
    parent = make_batch(source, [event, make_event(source)], "split")
    make_attempt(parent, outcome="rejected", status_code=400)
    half = make_batch(source, [event], "quarantined", parent=parent, reason="Segment answers 400.")
    assert [step[1:] for step in journey_of(staff_client, event)[1:]] == [
        ("Put in a batch", f"batch {parent.pk} with 2 events"),
        ("Rejected (4xx)", "Attempt 1: 400 · no answer recorded"),
        ("Split in two", "Its events went on in two halves."),
        ("Put in a batch", f"batch {half.pk} with 1 event, a half of batch {parent.pk}"),
        ("Quarantined", "Segment answers 400."),
    ]


def test_payload_is_shown_as_readable_json_and_escaped(staff_client, source):
    event = make_event(source, "<script>alert(1)</script>", "<b>")
    page = staff_client.get(address("event", event)).content.decode()
    assert "&quot;event&quot;: &quot;&lt;script&gt;alert(1)&lt;/script&gt;&quot;" in page
    assert "<script>alert(1)" not in page + staff_client.get(address("event")).content.decode()


def test_batch_page_shows_attempts_and_a_page_of_its_events(staff_client, source):
    events = [make_event(source, user_id=f"u-{number}") for number in range(101)]
    batch = make_batch(source, events)
    attempt = make_attempt(batch, outcome="timeout")
    shown = cards(staff_client.get(address("batch", batch)))
    assert len(shown["Events 1 to 100 of 101"]["table"]["rows"]) == 100
    assert address("attempt", attempt) in shown["Attempts"]["table"]["rows"][0][2]
    shown = cards(staff_client.get(address("batch", batch), {"events": "2"}))
    assert [row[1] for row in shown["Events 101 to 101 of 101"]["table"]["rows"]] == ["u-100"]


@pytest.mark.parametrize("asked", ["0", "99", "-1", "x", "²"])
def test_batch_page_survives_a_page_that_is_not_there(staff_client, everything, asked):
    assert "Events 1 to 1 of 1" in cards(staff_client.get(address("batch", everything["batch"]), {"events": asked}))


def test_pages_lead_to_each_other(staff_client, everything):
    def page(model):
        return staff_client.get(address(model, everything[model])).content.decode()

    assert address("batch", everything["batch"]) in page("event")
    assert address("attempt", everything["attempt"]) in page("event")
    assert address("event", everything["event"]) in page("batch")
    assert address("attempt", everything["attempt"]) in page("batch")
    assert address("batch", everything["batch"]) in page("attempt")
    source = everything["event"].source
    assert all(f"/admin/integrations/source/{source.pk}/change/" in page(model) for model in MODELS[:5])
    assert (
        address("lane", everything["lane"])
        in staff_client.get(f"/admin/integrations/source/{source.pk}/change/").content.decode()
    )


def test_lane_page_counts_what_waits(staff_client, source):
    for _ in range(3):
        wait(make_event(source))
    page = staff_client.get(address("lane", lane_of(source))).content.decode()
    assert ">3<" in page


def test_unknown_object_leads_back_to_the_index(staff_client, source):
    assert staff_client.get("/admin/delivery/event/999/change/").status_code == 302


def test_side_navigation_has_the_three_groups(staff_client):
    page = staff_client.get("/admin/").content.decode()
    assert [f"/admin/{path}/" in page for path in ("delivery/event", "integrations/source", "tenants/tenant")] == [
        True
    ] * 3
    assert "<title>" in page
    assert "Headwater" in page
