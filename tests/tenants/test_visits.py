"""Staff in a company's pages: how they come in, what they see, and that nothing changes."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.db import InternalError
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from config.urls import urlpatterns as config_urlpatterns
from tenants import visits
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.models import AuditEntry, Membership, Tenant, User
from tenants.scoping import every_tenant
from tests.conftest import PASSWORD, logged_in

WHY = {"reason": "Asked by phone"}
DENIED = "Nothing was changed"


@tenant_view()
def careless(request: TenantRequest) -> HttpResponse:
    """A page that writes although it is only looked at."""
    Tenant.objects.filter(pk=request.tenant.pk).update(name="Changed")
    return HttpResponse(request.tenant.name)


urlpatterns = [path("t/<slug:tenant_slug>/careless/", careless), *config_urlpatterns]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.usefixtures("owner")]


def door(tenant, to=""):
    return f"/admin/tenants/{tenant.pk}/visit/" + (f"?to={to}" if to else "")


def entries():
    with every_tenant():
        found = AuditEntry.objects.order_by("pk")
        return [(entry.tenant.slug, entry.by_label, entry.deed, entry.subject, entry.details) for entry in found]


VISITED = ("acme", "staff@headwater.test", "(staff) looked at the pages of", "Acme", WHY)


@pytest.fixture
def visitor(staff_client, tenant):
    assert staff_client.post(door(tenant), WHY, follow=True).redirect_chain[-1][0] == "/t/acme/"
    return staff_client


def test_visit_needs_a_reason(staff_client, tenant):
    assert "See Acme as the customer sees it" in staff_client.get(door(tenant)).content.decode()
    assert "This field is required." in staff_client.post(door(tenant), {"reason": " "}).content.decode()
    assert (staff_client.get("/t/acme/").status_code, entries()) == (404, [])


def test_visit_is_told_in_both_histories_once(visitor, tenant, owner_client):
    for address in ("/t/acme/", "/t/acme/members/", "/t/acme/integrations/"):
        assert visitor.get(address).status_code == 200
    assert visitor.get(door(tenant))["Location"] == "/t/acme/"
    assert visitor.post(door(tenant), WHY)["Location"] == "/t/acme/"
    assert entries() == [VISITED]
    assert [entry.change_message for entry in LogEntry.objects.all()] == ["Visit: Asked by phone"]
    assert "Asked by phone" in owner_client.get("/t/acme/history/").content.decode()


@pytest.mark.parametrize("address", ["", "members/", "campaigns/", "integrations/", "integrations/segment/alerts/"])
def test_every_page_says_so_and_has_a_way_out(visitor, address):
    page = visitor.get(f"/t/acme/{address}").content.decode()
    assert "You are looking at <strong>Acme</strong> as staff" in page
    assert 'action="/admin/visit/leave/"' in page


def test_page_of_a_member_says_nothing_of_visits(owner_client):
    assert "as staff" not in owner_client.get("/t/acme/").content.decode()


def test_visitor_sends_nothing(visitor, tenant):
    response = visitor.post("/t/acme/settings/", {"name": "Taken over"})
    tenant.refresh_from_db()
    assert (response.status_code, tenant.name) == (403, "Acme")
    page = response.content.decode()
    assert (DENIED in page, "pages can be read, and nothing can be sent" in page) == (True, True)


def test_visitor_is_told_what_viewers_do_not_see(visitor):
    response = visitor.get("/t/acme/settings/")
    assert response.status_code == 403
    assert "A viewer does not see this page" in response.content.decode()


def test_visitor_is_offered_no_choice_of_alerts_and_no_leaving(visitor):
    assert "Emails to you" not in visitor.get("/t/acme/integrations/segment/alerts/").content.decode()
    assert "Leave this company" not in visitor.get("/t/acme/members/").content.decode()


def test_database_refuses_what_a_page_would_write(visitor, tenant):
    with pytest.raises(InternalError, match="read-only transaction"):
        visitor.get("/t/acme/careless/")
    tenant.refresh_from_db()
    assert tenant.name == "Acme"


def test_form_that_is_sent_again_begins_no_second_visit(staff_client, tenant):
    page = staff_client.get(door(tenant)).content.decode()
    [token] = re.findall(r'name="once" value="([^"]+)"', page)
    staff_client.post(door(tenant), WHY | {"once": token})
    staff_client.post("/admin/visit/leave/")
    again = staff_client.post(door(tenant), WHY | {"once": token}, follow=True)
    assert (again.status_code, again.redirect_chain[-1][0]) == (200, door(tenant))
    assert (entries(), LogEntry.objects.count()) == ([VISITED], 1)


def test_visit_is_to_one_company(visitor, other_tenant, stranger):
    assert visitor.get("/t/other/").status_code == 404
    visitor.post(door(other_tenant), WHY)
    assert [visitor.get(f"/t/{slug}/").status_code for slug in ("other", "acme")] == [200, 404]


def test_visit_is_left(visitor, tenant):
    assert visitor.post("/admin/visit/leave/")["Location"] == f"/admin/tenants/tenant/{tenant.pk}/change/"
    assert visitor.get("/t/acme/").status_code == 404
    assert visitor.post("/admin/visit/leave/")["Location"] == "/admin/"


def test_visit_that_is_over_asks_for_the_reason_again_and_goes_on(visitor, tenant):
    session = visitor.session
    session["staff_visit"] |= {"ends": session["staff_visit"]["ends"] - visits.MINUTES * 60}
    session.save()
    again = visitor.get("/t/acme/members/?q=ann")["Location"]
    assert again == f"/admin/tenants/{tenant.pk}/visit/?to=%2Ft%2Facme%2Fmembers%2F%3Fq%3Dann"
    assert visitor.get("/t/acme/members/").status_code == 404
    assert visitor.post(again, WHY, follow=True).redirect_chain[-1][0] == "/t/acme/members/?q=ann"
    assert entries() == [VISITED] * 2


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.test/t/acme/", "https://evil.test/t/acme/", "/t/other/", "/admin/", "/t/acme/../../admin/", "x"],
)
def test_visit_leads_nowhere_else(staff_client, tenant, elsewhere):
    assert staff_client.post(door(tenant, elsewhere), WHY, follow=True).redirect_chain[-1][0] == "/t/acme/"


def test_visit_counts_for_staff_who_are_members_too(visitor, staff, tenant):
    Membership.objects.create(tenant=tenant, user=staff, role=Role.OWNER)
    assert visitor.post("/t/acme/settings/", {"name": "Mine"}).status_code == 403
    visitor.post("/admin/visit/leave/")
    assert visitor.get("/t/acme/settings/").status_code == 200


def test_company_that_is_closed_is_not_seen(visitor):
    Membership.objects.all().delete()
    assert visitor.get("/t/acme/").status_code == 404


def test_door_is_closed_to_members_and_visitors(owner_client, client, tenant):
    for someone in (owner_client, client):
        assert [someone.get(door(tenant)).status_code, someone.post(door(tenant), WHY).status_code] == [302, 302]
    assert entries() == []


def test_staff_who_may_not_see_companies_are_refused(tenant):
    clerk = User.objects.create_user("clerk@headwater.test", PASSWORD, is_staff=True)
    client = logged_in(clerk)
    assert [client.get(door(tenant)).status_code, client.post(door(tenant), WHY).status_code] == [403, 403]
    assert entries() == []


def test_visit_ends_with_the_second_factor(visitor):
    session = visitor.session
    del session["second_factor_shown_by"]
    session.save()
    assert visitor.get("/t/acme/").status_code == 404


def test_visit_ends_with_the_rights_of_staff(visitor, staff):
    User.objects.filter(pk=staff.pk).update(is_staff=False)
    assert visitor.get("/t/acme/").status_code == 404


def test_visit_of_another_opens_nothing(visitor, db):
    other = logged_in(User.objects.create_superuser("other@headwater.test", PASSWORD))
    session = other.session
    session["staff_visit"] = visitor.session["staff_visit"]
    session.save()
    assert other.get("/t/acme/").status_code == 404


def test_admin_leads_to_the_pages_of_a_company_and_of_a_source(staff_client, tenant, source):
    for address, theirs in (
        (f"tenants/tenant/{tenant.pk}", "%2Ft%2Facme%2F"),
        (f"integrations/source/{source.pk}", f"%2Ft%2Facme%2Fintegrations%2Fsegment%2F{source.pk}%2F"),
    ):
        assert door(tenant, theirs) in staff_client.get(f"/admin/{address}/change/").content.decode()


def test_source_is_seen_as_a_viewer_sees_it(visitor, viewer_client, source):
    address = f"/t/acme/integrations/segment/{source.pk}/"
    seen, theirs = (client.get(address).content.decode() for client in (visitor, viewer_client))
    assert seen[seen.index("<main") :] == theirs[theirs.index("<main") :]


def test_log_in_page_comes_first(tenant):
    assert Client().get(door(tenant))["Location"] == f"/admin/login/?next={door(tenant)}"
