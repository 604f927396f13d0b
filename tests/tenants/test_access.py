"""Who gets through `tenant_view`, and what is active behind it."""

import pytest
from django.http import HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import path, reverse

from config.urls import urlpatterns as config_urlpatterns
from integrations.enums import Region
from integrations.models import Source
from tenants.access import TenantRequest, tenant_view
from tenants.enums import Role
from tenants.errors import ScopeError
from tenants.models import Membership, Tenant, User

ROLES = ["owner", "admin", "viewer"]


def view_for(role):
    @tenant_view(role)
    def view(request: TenantRequest, number: int) -> HttpResponse:
        Tenant.objects.filter(pk=request.tenant.pk).update(name=f"Renamed {number}")
        return HttpResponse(f"{request.tenant.slug} {request.membership.role} {number}")

    return view


@tenant_view()
def sources(request: TenantRequest) -> TemplateResponse:
    template = engines["django"].from_string("{% for source in sources %}{{ source.name }};{% endfor %}")
    return TemplateResponse(request, template, {"sources": Source.objects.all()})


urlpatterns = [
    *(path(f"t/<slug:tenant_slug>/{role}/<int:number>/", view_for(Role(role))) for role in ROLES),
    path("t/<slug:tenant_slug>/sources/", sources),
    *config_urlpatterns,
]

pytestmark = pytest.mark.urls(__name__)


@pytest.mark.parametrize(
    ("who", "needed", "status"),
    [
        ("owner", "owner", 200),
        ("owner", "admin", 200),
        ("owner", "viewer", 200),
        ("admin", "owner", 403),
        ("admin", "admin", 200),
        ("admin", "viewer", 200),
        ("viewer", "owner", 403),
        ("viewer", "admin", 403),
        ("viewer", "viewer", 200),
        ("stranger", "owner", 404),
        ("stranger", "admin", 404),
        ("stranger", "viewer", 404),
        ("staff", "viewer", 404),
    ],
)
def test_access_follows_the_role(request, tenant, who, needed, status):
    client = request.getfixturevalue(f"{who}_client")
    response = client.post(f"/t/acme/{needed}/7/")
    tenant.refresh_from_db()
    assert response.status_code == status
    assert tenant.name == ("Renamed 7" if status == 200 else "Acme")


def test_access_sets_tenant_and_membership(admin_client):
    assert admin_client.get("/t/acme/viewer/3/").content == b"acme admin 3"


def test_access_sends_anonymous_to_log_in_and_back(client, tenant):
    response = client.get("/t/acme/viewer/7/?page=2")
    tenant.refresh_from_db()
    assert (response.status_code, response["Location"]) == (
        302,
        "/accounts/login/?next=/t/acme/viewer/7/%3Fpage%3D2",
    )
    assert tenant.name == "Acme"


def test_access_tells_anonymous_nothing_of_what_exists(client, tenant):
    there, not_there = client.get("/t/acme/viewer/7/"), client.get("/t/nobody/viewer/7/")
    assert there.status_code == not_there.status_code == 302


def test_access_answers_a_foreign_tenant_as_one_that_is_not_there(viewer_client, other_tenant):
    foreign, missing = viewer_client.get("/t/other/viewer/7/"), viewer_client.get("/t/nobody/viewer/7/")
    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content


def test_access_ends_with_the_membership(viewer, viewer_client):
    Membership.objects.filter(user=viewer).delete()
    assert viewer_client.get("/t/acme/viewer/7/").status_code == 404


def test_access_ends_when_the_user_is_deactivated(viewer, viewer_client):
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert viewer_client.get("/t/acme/viewer/7/").status_code == 302


def test_access_scopes_querysets_that_the_template_evaluates(viewer_client, tenant, other_tenant):
    Source(tenant=tenant, name="Ours", region=Region.US).save()
    Source(tenant=other_tenant, name="Theirs", region=Region.US).save()
    assert viewer_client.get("/t/acme/sources/").content == b"Ours;"
    with pytest.raises(ScopeError):
        Source.objects.count()


@pytest.mark.parametrize("name", ["overview", "members", "settings"])
def test_pages_of_a_tenant_are_closed_to_strangers(stranger_client, tenant, name):
    assert stranger_client.get(reverse(f"tenants:{name}", args=["acme"])).status_code == 404


@pytest.mark.parametrize("name", ["overview", "members", "settings", "create", "home"])
def test_pages_send_anonymous_to_log_in(tenant, name):
    url = reverse(f"tenants:{name}", args=[] if name in ("create", "home") else ["acme"])
    assert Client().get(url)["Location"] == f"/accounts/login/?next={url}"


def test_settings_refuse_a_viewer_and_change_nothing(viewer_client, tenant):
    response = viewer_client.post(reverse("tenants:settings", args=["acme"]), {"name": "Taken over"})
    tenant.refresh_from_db()
    assert response.status_code == 403
    assert "Your role does not allow this" in response.content.decode()
    assert tenant.name == "Acme"
