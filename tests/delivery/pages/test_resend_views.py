import re

import pytest
from django.urls import reverse

from delivery.batching import new_batch
from delivery.choosing import close
from delivery.enums import BatchState
from delivery.models import Batch, Pending, Replay
from delivery.outbox import capture
from delivery.pages import resend_views
from delivery.replay import replay
from delivery.replayable import Criteria
from tenants.models import AuditEntry
from tenants.scoping import every_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def given_up(source, call):
    """Two events that were set aside; returns the first one's id."""
    with every_tenant():
        ids = [capture(source.tenant_id, call).event_ids[0] for _ in range(2)]
        Pending.objects.all().delete()
        close(new_batch(source.pk, source.tenant_id, ids, 40), BatchState.SET_ASIDE, "Too long ago.")
    return ids[0]


def one(source, event_id):
    return reverse("delivery:resend", args=[source.tenant.slug, source.pk, event_id])


def everything_of(source):
    return reverse("delivery:resend_given_up", args=[source.tenant.slug, source.pk])


def token_of(response):
    return form_of(response)["token"]


def form_of(response):
    """What the form of the page sends."""
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', response.content.decode())
    return {name: value for name, value in fields if name != "csrfmiddlewaretoken"}


def give_up(source, call, *counts):
    """A batch of so many events each, which was set aside; their ids."""
    batches = []
    with every_tenant():
        for count in counts:
            ids = [capture(source.tenant_id, call).event_ids[0] for _ in range(count)]
            batches.append(new_batch(source.pk, source.tenant_id, ids, 40))
        Pending.objects.all().delete()
        for batch in batches:
            close(batch, BatchState.SET_ASIDE, "Too long ago.")
    return [batch.pk for batch in batches]


def set_aside():
    with every_tenant():
        return list(Batch.objects.filter(state=BatchState.SET_ASIDE).order_by("pk").values_list("pk", flat=True))


def replays():
    with every_tenant():
        return list(Replay.objects.values_list("event_count", "requested_by"))


def test_resend_counts_first_and_does_nothing(source, admin_client, given_up):
    text = admin_client.get(one(source, given_up)).content.decode()
    assert "1 event: Email Opened" in text
    assert replays() == []


def test_resend_is_done_once_for_a_token_and_noted(source, admin, admin_client, given_up):
    address = one(source, given_up)
    token = token_of(admin_client.get(address))
    for _ in range(2):
        response = admin_client.post(address, {"token": token}, follow=True)
        assert "1 event is on the way to Segment again." in response.content.decode()
    assert replays() == [(1, admin.email)]
    with every_tenant():
        entries = AuditEntry.objects.filter(deed="sent again events of")
        assert [(entry.by, entry.subject, entry.details["events"]) for entry in entries] == [(admin, "Main", 1)]
        assert list(Batch.objects.filter(state="open").values_list("event_ids", flat=True)) == [[given_up]]


def test_all_that_was_given_up_is_sent_again_once(source, admin_client, given_up):
    address = everything_of(source)
    response = admin_client.get(address)
    assert "2 events" in response.content.decode()
    form = form_of(response)
    assert "come back for the rest" not in response.content.decode()
    for _ in range(2):
        text = admin_client.post(address, form, follow=True).content.decode()
        assert "2 events are on the way to Segment again." in text
    assert len(replays()) == 1


def test_what_was_accepted_and_given_up_when_it_was_sent_again_is_sent_once_more(source, admin_client, call):
    with every_tenant():
        ids = capture(source.tenant_id, call).event_ids
        Pending.objects.all().delete()
        close(new_batch(source.pk, source.tenant_id, ids, 20), BatchState.ACCEPTED, "")
        replay(source, Criteria(event_ids=ids), token="once", requested_by="somebody")
        close(Batch.objects.get(state=BatchState.OPEN), BatchState.SET_ASIDE, "Too long ago.")
    response = admin_client.get(everything_of(source))
    assert "Segment has accepted it before." in response.content.decode()
    admin_client.post(everything_of(source), form_of(response))
    assert set_aside() == []
    text = admin_client.get(everything_of(source), follow=True).content.decode()
    assert "Nothing is set aside or quarantined" in text


def test_very_much_that_was_given_up_is_sent_again_in_parts_the_oldest_first(source, admin_client, call, monkeypatch):
    monkeypatch.setattr(resend_views, "MOST_AT_ONCE", 4)
    first, second, third, fourth = give_up(source, call, 2, 2, 3, 1)
    for part, rest in (("4 of 8", [third, fourth]), ("", [])):
        response = admin_client.get(everything_of(source))
        text = response.content.decode()
        assert f"These are the oldest {part} events that were given up." in text if part else "the oldest" not in text
        admin_client.post(everything_of(source), form_of(response))
        assert set_aside() == rest
    with every_tenant():
        criteria = list(Replay.objects.order_by("pk").values_list("criteria", flat=True))
    assert criteria == [{"batch_ids": [first, second]}, {"batch_ids": [third, fourth]}]


def test_what_is_given_up_after_the_count_is_not_sent_with_it(source, admin_client, call):
    """Whether its batch is newer than those that were counted, or older."""
    with every_tenant():
        older = new_batch(source.pk, source.tenant_id, capture(source.tenant_id, call).event_ids, 40)
    (counted,) = give_up(source, call, 1)
    form = form_of(admin_client.get(everything_of(source)))
    with every_tenant():
        close(older, BatchState.SET_ASIDE, "Too long ago.")
    (newer,) = give_up(source, call, 1)
    assert set_aside() == [older.pk, counted, newer]
    admin_client.post(everything_of(source), form)
    assert set_aside() == [older.pk, newer]


@pytest.mark.usefixtures("given_up")
def test_a_viewer_and_a_stranger_send_nothing_again(source, viewer_client, stranger_client, client, given_up):
    token = "6b9cb9c8-3f55-4d0f-9e5e-3f8f5bb5bb0c"
    for address in (one(source, given_up), everything_of(source)):
        for visitor, status in ((viewer_client, 403), (stranger_client, 404), (client, 302)):
            assert visitor.get(address).status_code == status
            assert visitor.post(address, {"token": token}).status_code == status
    assert replays() == []


def test_an_event_of_another_source_is_not_sent_again(source, other_source, stranger_client, given_up):
    address = reverse("delivery:resend", args=[other_source.tenant.slug, other_source.pk, given_up])
    assert stranger_client.get(address).status_code == 404
    assert stranger_client.post(address, {"token": "6b9cb9c8-3f55-4d0f-9e5e-3f8f5bb5bb0c"}).status_code == 404
    assert replays() == []


def test_a_waiting_event_is_not_sent_again(source, admin_client, call):
    (event_id,) = capture(source.tenant_id, call).event_ids
    text = admin_client.get(one(source, event_id)).content.decode()
    assert "Nothing to send again" in text
    token = token_of(admin_client.get(one(source, event_id)))
    text = admin_client.post(one(source, event_id), {"token": token}, follow=True).content.decode()
    assert "There is nothing to replay" in text
    assert replays() == []


def test_nothing_given_up_is_said(source, admin_client):
    text = admin_client.get(everything_of(source), follow=True).content.decode()
    assert "Nothing is set aside or quarantined" in text


@pytest.mark.parametrize("changed", [{"last_batch": ""}, {"last_batch": "x"}, {"closed_by": ""}, {"token": "1"}])
@pytest.mark.usefixtures("given_up")
def test_a_form_of_all_that_was_not_ours_is_refused(source, admin_client, changed):
    form = form_of(admin_client.get(everything_of(source)))
    assert admin_client.post(everything_of(source), form | changed).status_code == 404
    assert replays() == []


@pytest.mark.parametrize("token", ["", "x", "1"])
def test_a_token_that_was_not_ours_is_refused(source, admin_client, given_up, token):
    assert admin_client.post(one(source, given_up), {"token": token}).status_code == 404
    assert replays() == []
