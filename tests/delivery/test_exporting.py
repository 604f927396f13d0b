"""A company in use, exported: nothing is missing, nothing is another's, and no key is in it."""

import json
from datetime import timedelta

import pytest
from django.apps import apps

from delivery import exporting
from delivery.alerts.enums import IncidentKind
from delivery.alerts.models import Alert, AlertChoice, AlertLimits, AlertMail, Incident
from delivery.clock import database_now
from delivery.models import Batch, Event, Lane, MessageKey, Pending, Refusal, RetentionWarning
from delivery.outbox import capture, capture_many
from delivery.replay import replay
from delivery.replayable import Criteria
from delivery.shadow_models import GoingLive
from delivery.turn import take_turn
from integrations.models import AnonymousId, ConnectionTest, PersonKey, SharedSecret, WriteKey
from integrations.spec.calls import track
from tenants.exports.making import parts_of
from tenants.exports.models import Export, ExportPiece
from tenants.models import Membership, Tenant
from tenants.scoping import ScopedManager, scope
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY, make_source
from tests.tenants.exports.exported import exported

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

NOT_EXPORTED = {
    WriteKey: "a secret",
    SharedSecret: "a secret",
    ConnectionTest: "a code that is good for minutes",
    PersonKey: "with the people",
    Pending: "with the events: they wait",
    MessageKey: "a digest",
    Lane: "the state of a machine: who works on it, since when",
    GoingLive: "the state of a machine, for seconds",
    AlertMail: "the state of a machine: whether a mail server took it",
    Export: "what this is",
    ExportPiece: "what this is",
}
"""And why not."""


def of(user_id, **fields):
    return track(event="Email Opened", user_id=user_id, **fields)


def test_each_table_of_a_company_is_exported_or_said_not_to_be(tenant):
    of_a_company = {model for model in apps.get_models() if isinstance(getattr(model, "objects", None), ScopedManager)}
    with scope(tenant.pk):
        exported_ones = {part.model for part in parts_of(tenant).values()}
    assert exported_ones == (of_a_company - NOT_EXPORTED.keys()) | {Tenant, Membership}


def test_events_say_where_they_stand_and_what_is_sent(tenant, source, owner, segment):
    capture_many(tenant.pk, [of("u-1"), of("u-2", properties={"email_id": "é"})])
    take_turn([source.pk])
    capture(tenant.pk, of("u-3"))
    sent, also, waiting = exported(tenant, owner)["delivery/events.jsonl"]
    batch = Batch.objects.get()
    assert [(row["user_id"], row["state"], row["batch"], row["source"]) for row in (sent, also, waiting)] == [
        ("u-1", "accepted", batch.pk, source.pk),
        ("u-2", "accepted", batch.pk, source.pk),
        ("u-3", "waiting", None, source.pk),
    ]
    assert [row["call"] for row in (sent, also, waiting)] == [
        json.loads(payload) for payload in Event.objects.order_by("pk").values_list("payload", flat=True)
    ]
    assert sent["message_id"] == sent["call"]["messageId"]


def test_newest_batch_of_an_event_says_where_it_stands(tenant, source, owner, segment):
    capture_many(tenant.pk, [of("u-1"), of("u-2"), of("u-3")])
    take_turn([source.pk])
    first, second, third = Event.objects.order_by("pk").values_list("pk", flat=True)
    replay(source, Criteria(event_ids=[second]), token="again", requested_by="ada@acme.test")
    Batch.objects.filter(replay__isnull=False).update(
        state="set_aside", reason="Segment said no.", closed_at=database_now()
    )
    files = exported(tenant, owner)
    assert [(row["id"], row["state"], row["reason"]) for row in files["delivery/events.jsonl"]] == [
        (first, "accepted", ""), (second, "set_aside", "Segment said no."), (third, "accepted", ""),
    ]  # fmt: skip
    assert [row["event_count"] for row in files["delivery/replays.jsonl"]] == [1]
    assert [row["replay"] for row in files["delivery/batches.jsonl"]][1:] == [
        Batch.objects.latest("pk").replay_id
    ]  # fmt: skip


def test_event_whose_payload_is_erased_has_no_call(tenant, source, owner):
    capture(tenant.pk, of("u-1"))
    Event.objects.update(payload="", bytes=0)
    assert [row["call"] for row in exported(tenant, owner)["delivery/events.jsonl"]] == [None]


@pytest.mark.parametrize("state", ["open", "split", "replayed"])
def test_event_on_its_way_waits(tenant, source, owner, state):
    (event_id,) = capture(tenant.pk, of("u-1")).event_ids
    closed = {} if state == "open" else {"closed_at": database_now()}
    Batch.objects.create(
        tenant=tenant, source=source, event_ids=[event_id], event_count=1, bytes=1, state=state,
        waiting_since=database_now(), created_at=database_now(), **closed,
    )  # fmt: skip
    assert [row["state"] for row in exported(tenant, owner)["delivery/events.jsonl"]] == ["waiting"]


def test_events_of_all_sources_come_one_source_after_the_other(tenant, source, owner, monkeypatch):
    monkeypatch.setattr("tenants.exports.parts.ROWS_AT_ONCE", 2)
    second = make_source(tenant, OTHER_WRITE_KEY, name="Second")
    capture_many(tenant.pk, [of(f"u-{number}") for number in range(3)])
    rows = exported(tenant, owner)["delivery/events.jsonl"]
    assert [(row["source"], row["user_id"]) for row in rows] == [
        (each.pk, f"u-{number}") for each in (source, second) for number in range(3)
    ]


def test_requests_refusals_and_alerts_are_in_it(tenant, source, owner, segment):
    segment.fault("us", "status", key=WRITE_KEY, status=503, count=1)
    capture(tenant.pk, of("u-1"))
    take_turn([source.pk])
    capture(tenant.pk, {**of("u-2"), "event": ""})
    now = database_now()
    Incident.objects.create(
        tenant=tenant, source=source, kind=IncidentKind.BACKLOG, reason="It waits.", opened_at=now
    )  # fmt: skip
    Alert.objects.create(tenant=tenant, items=[{"kind": "backlog"}], created_at=now)
    AlertLimits.objects.create(tenant=tenant, backlog_minutes=7)
    AlertChoice.objects.create(membership=Membership.objects.get(tenant=tenant), kinds=["held"])
    RetentionWarning.objects.create(
        tenant=tenant, source=source, before_id=1, number=1, waiting=3, set_aside=0, quarantined=0, oldest_at=now,
        expires_at=now + timedelta(days=1), warned_at=now,
    )  # fmt: skip
    files = exported(tenant, owner)
    found = {
        "requests": [(row["outcome"], row["status_code"]) for row in files["delivery/requests.jsonl"]],
        "refused": [(row["user_id"], row["findings"][0]["code"]) for row in files["delivery/refused.jsonl"]],
        "incidents": [row["reason"] for row in files["alerts/incidents.jsonl"]],
        "alerts": [row["items"] for row in files["alerts/alerts.jsonl"]],
        "limits": [row["backlog_minutes"] for row in files["alerts/limits.jsonl"]],
        "choices": [(row["email"], row["kinds"]) for row in files["alerts/choices.jsonl"]],
        "warnings": [row["waiting"] for row in files["delivery/warnings.jsonl"]],
    }
    assert found == {
        "requests": [("server_error", 503)],
        "refused": [("u-2", Refusal.objects.get().findings[0]["code"])],
        "incidents": ["It waits."],
        "alerts": [[{"kind": "backlog"}]],
        "limits": [7],
        "choices": [(owner.email, ["held"])],
        "warnings": [3],
    }


def test_rows_of_another_company_are_not_in_it(tenant, source, owner, other_tenant, other_source):
    capture(tenant.pk, of("u-1"))
    capture(other_tenant.pk, of("u-2"))
    capture(other_tenant.pk, {**of("u-3"), "event": ""})
    AnonymousId.objects.create(source=other_source, value="a-1")
    files = exported(tenant, owner)
    assert [row["user_id"] for row in files["delivery/events.jsonl"]] == ["u-1"]
    assert (files["delivery/refused.jsonl"], files["segment/anonymous_ids.jsonl"]) == ([], [])
    assert [row["id"] for row in files["segment/sources.jsonl"]] == [source.pk]


def test_where_the_events_stand_is_one_query(source, django_assert_num_queries):
    with django_assert_num_queries(1):
        exporting.add_standing([{"id": 1, "source": source.pk, "call": "{}"}])
    with django_assert_num_queries(0):
        exporting.add_standing([])
