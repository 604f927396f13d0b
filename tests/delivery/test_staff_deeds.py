"""What staff do for a source, through their pages."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from delivery.models import Batch, Lane, Replay
from delivery.outbox import capture
from delivery.turn import take_turn
from integrations.spec.calls import track
from tenants.models import AuditEntry
from tests.conftest import WRITE_KEY
from tests.delivery.steps import sure

pytestmark = pytest.mark.usefixtures("everything")

WHY = {"reason": "Asked by phone"}


def page(source, deed):
    return f"/admin/sources/{source.pk}/{deed}/"


def entries():
    return [(entry.by_label, entry.deed, entry.subject, entry.details) for entry in AuditEntry.objects.order_by("pk")]


def token_of(client, address):
    """Of the form on this page: two clicks of its button send the same."""
    return sure(re.search(r'name="once" value="([^"]+)"', client.get(address).content.decode()))[1]


@pytest.mark.parametrize("deed", ["retry", "hold", "resume", "replay"])
def test_deed_is_for_staff_alone(owner_client, client, source, deed):
    for someone in (owner_client, client):
        assert [someone.get(page(source, deed)).status_code, someone.post(page(source, deed), WHY).status_code] == [
            302
        ] * 2
    assert (entries(), LogEntry.objects.count(), Lane.objects.exclude(hold="").count()) == ([], 0, 0)


@pytest.mark.parametrize("deed", ["retry", "hold", "resume"])
def test_looking_at_the_page_and_leaving_out_the_reason_do_nothing(staff_client, source, deed):
    assert staff_client.get(page(source, deed)).status_code == 200
    assert "This field is required." in staff_client.post(page(source, deed), {}).content.decode()
    assert (entries(), LogEntry.objects.count()) == ([], 0)


def test_lane_is_held_and_let_go_with_entries_in_both_histories(staff_client, source, segment):
    capture(source.tenant_id, track(event="Email Opened", user_id="u-1"))
    assert staff_client.post(page(source, "hold"), WHY).status_code == 302
    lane = Lane.objects.get()
    assert (lane.hold, lane.hold_reason) == ("staff", "Our staff has stopped sending: Asked by phone")
    take_turn([source.pk])
    assert segment.events("us", WRITE_KEY) == []
    staff_client.post(page(source, "resume"), WHY)
    take_turn([source.pk])
    assert len(segment.events("us", WRITE_KEY)) == 1
    assert entries() == [
        ("staff@headwater.test", "(staff) held", "Main", WHY),
        ("staff@headwater.test", "(staff) let go", "Main", WHY),
    ]
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Hold: Asked by phone",
        "Resume: Asked by phone",
    ]


@pytest.mark.parametrize("deed", ["retry", "hold", "resume"])
def test_deed_that_is_sent_twice_is_done_once(staff_client, source, deed):
    form = WHY | {"once": token_of(staff_client, page(source, deed))}
    answers = [staff_client.post(page(source, deed), form) for _ in range(2)]
    assert {answer["Location"] for answer in answers} == {f"/admin/integrations/source/{source.pk}/change/"}
    assert (len(entries()), LogEntry.objects.count()) == (1, 1)


def test_retry_forgets_waits_and_leaves_a_hold(staff_client, source):
    now = timezone.now()
    Lane.objects.update_or_create(
        pk=source.pk, defaults={"not_before": now, "failures": 4, "hold": "key_refused", "held_at": now}
    )
    staff_client.post(page(source, "retry"), WHY)
    lane = Lane.objects.get()
    assert (lane.not_before, lane.failures, lane.hold) == (None, 0, "key_refused")


def test_unknown_deed_and_unknown_source_are_no_pages(staff_client, source):
    assert staff_client.get(page(source, "explode")).status_code == 404
    assert staff_client.get(f"/admin/sources/{source.pk + 1}/hold/").status_code == 404


def test_batch_is_counted_first_and_sent_again_once(staff_client, source, segment):
    capture(source.tenant_id, track(event="Email Opened", user_id="u-1"))
    take_turn([source.pk])
    form = WHY | {"batch": Batch.objects.get().pk, "token": "once"}
    counted = staff_client.post(page(source, "replay"), form).content.decode()
    assert ("What would be sent again" in counted, Replay.objects.count()) == (True, 0)
    for _ in range(2):
        assert staff_client.post(page(source, "replay"), form | {"do": "1"}).status_code == 302
    assert Replay.objects.get().requested_by == "staff@headwater.test (staff)"
    assert entries() == [("staff@headwater.test", "(staff) sent events again of", "Main", WHY | {"events": 1})]
    assert LogEntry.objects.get().change_message == f"Replay {Replay.objects.get().pk} of 1 events: Asked by phone"


@pytest.mark.parametrize(
    "which", [{}, {"batch": "1", "message": "0b7d6f3e-51c2-4a89-9e14-7c2f8a6d9b30"}, {"batch": "x"}]
)
def test_replay_says_what_is_missing(staff_client, source, which):
    answer = staff_client.post(page(source, "replay"), WHY | which | {"token": "t", "do": "1"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert Replay.objects.count() == 0


def test_page_of_the_source_leads_to_the_deeds(staff_client, source):
    shown = staff_client.get(f"/admin/integrations/source/{source.pk}/change/").content.decode()
    assert [page(source, deed) in shown for deed in ("retry", "hold", "resume", "replay")] == [True] * 4
