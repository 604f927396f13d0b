import re

import pytest
from django.urls import reverse

from delivery.outbox import capture_many
from delivery.review.checklist import CAMPAIGN
from integrations.enums import IdentityMode
from tests.conftest import WRITE_KEY, logged_in
from tests.delivery.review.test_checklist import good

STAFF = "/admin/review/"


def page(tenant):
    return reverse("delivery:review", args=[tenant.slug])


@pytest.mark.django_db
def test_owners_and_admins_see_each_point_with_its_example(source, owner_client, admin_client):
    capture_many(source.tenant_id, [good(name) for name in (*CAMPAIGN, "Link Clicked")])
    for client in (owner_client, admin_client):
        text = client.get(page(source.tenant)).content.decode()
        assert text.count('<span class="badge badge--ok">Pass</span>') == 6
        assert text.count('<span class="badge badge--held">Fail</span>') == 2
        assert "Call it “Email Link Clicked”." in text
        assert WRITE_KEY not in text


@pytest.mark.django_db
def test_review_is_403_for_a_viewer_and_404_for_a_stranger(source, viewer_client, stranger_client, client):
    assert viewer_client.get(page(source.tenant)).status_code == 403
    assert stranger_client.get(page(source.tenant)).status_code == 404
    assert client.get(page(source.tenant)).status_code == 302


@pytest.mark.django_db
def test_review_lists_the_sources_that_opted_in_to_anonymous_ids(source, other_source, owner_client):
    other_source.identity = IdentityMode.TOOL_ID
    other_source.save()
    assert "Segment asks for a userId on every call" not in owner_client.get(page(source.tenant)).content.decode()
    source.identity = IdentityMode.EMAIL_HASH
    source.save()
    call = {name: value for name, value in good(CAMPAIGN[0]).items() if name != "userId"}
    capture_many(source.tenant_id, [call])
    text = owner_client.get(page(source.tenant)).content.decode()
    assert "Main</a>: An anonymousId made from a keyed hash of the email address" in text
    assert "A call has an anonymousId in place of a userId." in text


@pytest.mark.django_db
def test_review_shows_nothing_of_another_tenant(source, other_source, owner_client):
    capture_many(other_source.tenant_id, [good("Secretly Watched")])
    text = owner_client.get(page(source.tenant)).content.decode()
    assert "No event has been captured in this time." in text
    assert "Secretly Watched" not in text


@pytest.mark.django_db
@pytest.mark.parametrize("events", [1, 3])
def test_review_asks_the_same_whatever_was_captured(
    source, owner_client, staff_client, events, django_assert_num_queries
):
    capture_many(source.tenant_id, [good()] * events)
    # Session, user, membership, sources, the walk between its two savepoints, who opted in, and the menu of tenants.
    with django_assert_num_queries(6):
        owner_client.get(page(source.tenant))
    with django_assert_num_queries(5):
        staff_client.get(STAFF)


@pytest.mark.django_db
def test_only_who_may_change_is_offered_the_review(source, owner_client, viewer_client):
    segment = reverse("integrations:segment", args=[source.tenant.slug])
    assert page(source.tenant) in owner_client.get(segment).content.decode()
    assert page(source.tenant) not in viewer_client.get(segment).content.decode()


@pytest.mark.django_db
def test_staff_review_any_tenant_or_all(source, other_source, staff_client):
    capture_many(source.tenant_id, [good("Unwelcome Guest Seen")])
    capture_many(other_source.tenant_id, [good()])
    assert "Unwelcome Guest Seen" in staff_client.get(STAFF).content.decode()
    one = staff_client.get(STAFF, {"tenant": other_source.tenant.slug, "days": 7}).content.decode()
    assert "1 event of the last 7 days" in one
    assert "Unwelcome Guest Seen" not in one
    assert staff_client.get(STAFF, {"tenant": "nobody"}).status_code == 404


@pytest.mark.django_db
def test_staff_review_leads_to_the_event_of_an_example(source, staff_client):
    (event_id,) = capture_many(source.tenant_id, [good()]).event_ids
    (address,) = set(re.findall(r'href="(/admin/delivery/event/\?q=[^"]+)"', staff_client.get(STAFF).content.decode()))
    assert reverse("admin:delivery_event_change", args=[event_id]) in staff_client.get(address).content.decode()


@pytest.mark.django_db
def test_staff_review_is_for_staff_who_may_see_events(source, owner, owner_client, client):
    assert owner_client.get(STAFF).status_code == 302
    assert client.get(STAFF).status_code == 302
    owner.is_staff = True
    owner.save()
    assert logged_in(owner).get(STAFF).status_code == 403


@pytest.mark.django_db
def test_admin_links_to_the_review(staff_client):
    assert STAFF in staff_client.get("/admin/").content.decode()


@pytest.mark.django_db
def test_empty_list_of_a_log_does_not_offer_to_create_anything(staff_client):
    text = staff_client.get("/admin/delivery/refusal/").content.decode()
    assert "There is none yet. Rows appear by themselves when something happens." in text
    text = staff_client.get("/admin/delivery/refusal/", {"q": "nobody"}).content.decode()
    assert "Nothing fits the search and the filters." in text
    assert "Reset filters" in text
