import pytest
from django.urls import reverse

from delivery import lanes
from delivery.enums import Hold
from delivery.outbox import capture
from delivery.turn import take_turn
from tests.conftest import WRITE_KEY


def page(source):
    return reverse("delivery:delivery", args=[source.tenant.slug, source.pk])


@pytest.mark.django_db(transaction=True)
def test_delivery_page_shows_events_refusals_and_requests(source, viewer_client, segment, call):
    capture(source.tenant_id, call)
    take_turn([source.pk])
    capture(source.tenant_id, {**call, "userId": None})
    response = viewer_client.get(page(source))
    assert response.status_code == 200
    text = response.content.decode()
    for expected in ("Email Opened", "Accepted", "Nobody to attach it to", "200"):
        assert expected in text
    assert WRITE_KEY not in text


@pytest.mark.django_db
def test_delivery_page_tells_why_sending_is_held(source, viewer_client):
    lanes.hold(source.pk, Hold.KEY_REFUSED, "Segment refuses the write key.")
    assert "Segment refuses the write key." in viewer_client.get(page(source)).content.decode()


@pytest.mark.django_db
def test_delivery_page_of_an_idle_source(source, viewer_client):
    assert "No event yet" in viewer_client.get(page(source)).content.decode()


@pytest.mark.django_db
def test_delivery_page_is_404_for_a_stranger_and_a_foreign_source(source, other_source, viewer_client, stranger_client):
    assert stranger_client.get(page(source)).status_code == 404
    foreign = reverse("delivery:delivery", args=[source.tenant.slug, other_source.pk])
    assert viewer_client.get(foreign).status_code == 404


@pytest.mark.django_db
def test_delivery_page_asks_for_a_log_in(source, client):
    assert client.get(page(source)).status_code == 302


@pytest.mark.django_db
def test_source_page_includes_the_state_of_delivery(source, viewer_client):
    text = viewer_client.get(reverse("integrations:source", args=[source.tenant.slug, source.pk])).content.decode()
    assert "Accepted by Segment" in text
    assert page(source) in text


@pytest.mark.django_db
def test_delivery_page_lists_the_warnings_of_an_event_with_their_remedies(source, viewer_client, call):
    capture(source.tenant_id, call)
    assert "warning" not in viewer_client.get(page(source)).content.decode()
    capture(source.tenant_id, {**call, "event": "Link Clicked", "properties": {"linkUrl": "https://acme.test"}})
    text = viewer_client.get(page(source)).content.decode()
    for expected in ("2 warnings", "Call it “Email Link Clicked”.", "link_url"):
        assert expected in text


@pytest.mark.django_db
@pytest.mark.parametrize("events", [1, 3])
def test_delivery_page_asks_the_same_for_one_event_and_three(
    source, viewer_client, call, events, django_assert_num_queries
):
    for _ in range(events):
        capture(source.tenant_id, call)
    with django_assert_num_queries(11):
        viewer_client.get(page(source))
