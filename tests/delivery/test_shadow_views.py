from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from delivery.batching import new_batch
from delivery.models import Batch, Pending
from delivery.outbox import capture
from delivery.shadow_models import GoingLive
from integrations.models import Source
from integrations.services import enter_shadow
from integrations.spec.calls import track
from tenants.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def url(source, page):
    return f"/t/acme/integrations/segment/{source.pk}/{page}/"


def state(source):
    return Source.objects.get(pk=source.pk).state


@pytest.fixture
def shadowed(source):
    enter_shadow(source)
    capture(source.tenant_id, track(event="Order Completed", user_id="u-1"), sources=[source], strict=True)
    return source


def test_shadow_is_entered_after_asking(admin_client, source):
    assert "Put Main in shadow?" in admin_client.get(url(source, "shadow")).content.decode()
    assert state(source) == "connected"
    page = admin_client.post(url(source, "shadow"), follow=True).content.decode()
    assert "is in shadow" in page
    assert state(source) == "shadow"
    assert AuditEntry.objects.get().deed == "put in shadow"


def test_going_live_counts_first_and_then_sends(admin_client, shadowed):
    assert "What was captured in shadow" in admin_client.get(url(shadowed, "live")).content.decode()
    page = admin_client.get(url(shadowed, "live"), {"catch_up": "all"}).content.decode()
    assert "1 event<" in page
    assert state(shadowed) == "shadow"
    admin_client.post(url(shadowed, "live"), {"catch_up": "all"})
    assert (state(shadowed), Pending.objects.count(), Batch.objects.count()) == ("connected", 1, 0)


def test_going_live_says_what_was_begun_and_is_sent_in_any_case(admin_client, shadowed):
    asked = {"catch_up": "nothing"}
    assert "begun" not in admin_client.get(url(shadowed, "live"), asked).content.decode()
    new_batch(shadowed.pk, shadowed.tenant_id, list(range(1, 1_201)), 10)
    page = admin_client.get(url(shadowed, "live"), asked).content.decode()
    assert "<dt>Sent of what waits</dt><dd>1,200 events</dd>" in page
    assert "<dt>Of these, begun already</dt><dd>1,200 events</dd>" in page
    assert "<dt>Left out</dt><dd>1 event</dd>" in page


def test_going_live_repeats_the_chosen_time_and_says_when_the_shadow_began_in_utc(admin_client, shadowed):
    Source.objects.update(shadow_since=datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    page = admin_client.get(url(shadowed, "live")).content.decode()
    assert '<time datetime="2026-03-01T09:30:00+00:00">1 Mar 2026, 09:30 UTC</time>' in page
    # No <time>: scripts leave it as it is, above the field that is read as UTC.
    assert "The shadow began 2026-03-01 09:30 UTC." in page
    asked = {"catch_up": "since", "since": "2026-03-02T10:00"}
    page = " ".join(admin_client.get(url(shadowed, "live"), asked).content.decode().split())
    assert 'events since <time datetime="2026-03-02T10:00:00+00:00">2 Mar 2026, 10:00 UTC</time> are sent.' in page


@pytest.mark.parametrize(("choice", "said"), [("all", "all is sent."), ("nothing", "none is sent.")])
def test_going_live_repeats_the_choice(admin_client, shadowed, choice, said):
    page = admin_client.get(url(shadowed, "live"), {"catch_up": choice}).content.decode()
    assert f"Of what was captured in shadow, {said}" in page


@pytest.mark.parametrize(("confirmed", "next_page"), [(0, "check"), (1, "")])
def test_going_live_leads_to_the_check_of_a_source_that_nobody_has_confirmed(
    admin_client, shadowed, confirmed, next_page
):
    Source.objects.update(confirmed_version=confirmed)
    answer = admin_client.post(url(shadowed, "live"), {"catch_up": "all"})
    assert answer["Location"] == url(shadowed, next_page).replace("//", "/")


def test_a_source_that_is_being_switched_on_says_so_and_offers_it_no_more(admin_client, shadowed, owner):
    GoingLive.objects.create(source=shadowed, first_id=0, end_id=0, requested_by=owner.email)
    page = admin_client.get(f"/t/acme/integrations/segment/{shadowed.pk}/").content.decode()
    assert "It is being switched on." in page
    assert url(shadowed, "live") not in page
    page = admin_client.post(url(shadowed, "live"), {"catch_up": "all"}, follow=True).content.decode()
    assert "is being switched on already. Nothing was changed." in page


def test_going_live_with_nothing_leaves_all_out(admin_client, shadowed):
    assert (
        "What is left out is never sent."
        in admin_client.get(url(shadowed, "live"), {"catch_up": "nothing"}).content.decode()
    )
    admin_client.post(url(shadowed, "live"), {"catch_up": "nothing"})
    assert (state(shadowed), Pending.objects.count(), Batch.objects.get().state) == ("connected", 0, "discarded")


def test_going_live_since_a_time(admin_client, shadowed):
    since = (timezone.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    page = admin_client.get(url(shadowed, "live"), {"catch_up": "since", "since": since}).content.decode()
    assert f'name="since" value="{since}"' in page
    admin_client.post(url(shadowed, "live"), {"catch_up": "since", "since": since})
    assert (state(shadowed), Batch.objects.get().event_count) == ("connected", 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"catch_up": ""}, "Choose one."),
        ({"catch_up": "some"}, "Choose one of these."),
        ({"catch_up": "since"}, "Say since when."),
        ({"catch_up": "since", "since": "noon"}, "Write a day and a time, such as 2026-11-22 14:00."),
    ],
)
def test_a_choice_that_is_none_changes_nothing(admin_client, shadowed, given, said):
    for send in (admin_client.get, admin_client.post):
        assert said in send(url(shadowed, "live"), given).content.decode()
    assert (state(shadowed), GoingLive.objects.exists()) == ("shadow", False)


def test_going_live_sent_twice_says_that_it_is_done(admin_client, shadowed):
    admin_client.post(url(shadowed, "live"), {"catch_up": "all"})
    page = admin_client.post(url(shadowed, "live"), {"catch_up": "nothing"}, follow=True).content.decode()
    assert "is connected, and not in shadow. Nothing was changed." in page
    assert Pending.objects.count() == 1


@pytest.mark.parametrize("path", ["shadow", "live"])
def test_shadow_is_not_for_viewers_or_strangers(viewer_client, stranger_client, client, shadowed, path):
    answers = [each.post(url(shadowed, path), {"catch_up": "all"}) for each in (viewer_client, stranger_client, client)]
    assert [answer.status_code for answer in answers] == [403, 404, 302]
    assert state(shadowed) == "shadow"


@pytest.mark.parametrize("path", ["shadow", "live"])
def test_source_of_another_tenant_is_not_found(admin_client, shadowed, other_source, path):
    assert admin_client.post(url(other_source, path), {"catch_up": "all"}).status_code == 404
