"""The pages of a tenant: home, naming one, switching, overview, members and settings."""

import re

import pytest
from django.urls import reverse

from tenants.enums import Role
from tenants.models import Membership, Tenant, User
from tests.conftest import logged_in, make_member

OVERVIEW = "/t/acme/"


def add_members(tenant, number):
    users = User.objects.bulk_create(User(email=f"m{n:05}@acme.test") for n in range(number))
    Membership.objects.bulk_create(Membership(tenant=tenant, user=user, role=Role.VIEWER) for user in users)


@pytest.fixture
def newcomer(db):
    return User.objects.create_user("new@acme.test")


@pytest.fixture
def newcomer_client(newcomer):
    return logged_in(newcomer)


def test_home_asks_a_newcomer_to_name_a_company(newcomer_client):
    assert newcomer_client.get("/")["Location"] == reverse("tenants:create")


def test_home_leads_to_the_only_tenant(viewer_client):
    assert viewer_client.get("/")["Location"] == OVERVIEW


def test_home_offers_the_tenants_of_the_user_and_no_others(viewer_client, viewer, other_tenant):
    Tenant.objects.create(name="Foreign", slug="foreign")
    Membership.objects.create(tenant=other_tenant, user=viewer, role=Role.VIEWER)
    page = viewer_client.get("/").content.decode()
    assert '<a href="/t/acme/">Acme</a>' in page
    assert '<a href="/t/other/">Other</a>' in page
    assert "Foreign" not in page


def test_create_makes_the_user_owner_and_shows_the_overview(newcomer_client, newcomer):
    response = newcomer_client.post(reverse("tenants:create"), {"name": "Acme"}, follow=True)
    assert response.redirect_chain == [(OVERVIEW, 302)]
    assert "Acme is set up." in response.content.decode()
    assert [(m.tenant.slug, m.role) for m in newcomer.memberships.all()] == [("acme", "owner")]


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "x" * 101])
def test_create_says_what_is_wrong_with_a_name_and_creates_nothing(newcomer_client, name):
    response = newcomer_client.post(reverse("tenants:create"), {"name": name})
    assert response.status_code == 200
    assert 'id="id_name_error"' in response.content.decode()
    assert not Tenant.objects.exists()


def test_overview_shows_tenant_role_and_members(viewer_client, owner, stranger):
    response = viewer_client.get(OVERVIEW)
    page = response.content.decode()
    assert response.status_code == 200
    assert "<h1>Acme</h1>" in page
    assert "You are a viewer here, as viewer@acme.test." in page
    assert owner.email in page
    assert stranger.email not in page
    assert 'href="/t/acme/campaigns/"' in page
    assert 'href="/t/acme/integrations/"' in page


def test_overview_offers_settings_to_those_who_may(admin_client, viewer_client):
    settings = f'href="{reverse("tenants:settings", args=["acme"])}"'
    assert settings in admin_client.get(OVERVIEW).content.decode()
    assert settings not in viewer_client.get(OVERVIEW).content.decode()


def test_overview_marks_itself_in_the_navigation(viewer_client):
    assert '<a href="/t/acme/" aria-current="page">Overview</a>' in viewer_client.get(OVERVIEW).content.decode()


def test_overview_escapes_a_name(viewer_client, tenant):
    Tenant.objects.filter(pk=tenant.pk).update(name="<script>alert(1)</script>")
    page = viewer_client.get(OVERVIEW).content.decode()
    assert re.findall(r"<script.*?</script>", page, re.DOTALL) == ['<script src="/static/js/pages.js" defer></script>']
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("members", [1, 3])
def test_overview_takes_as_many_queries_for_more_members(owner_client, tenant, django_assert_num_queries, members):
    for role in (Role.ADMIN, Role.VIEWER)[: members - 1]:
        make_member(tenant, role)
    # Session, user, membership with tenant, members with users and their count, sources, tenants to switch to.
    with django_assert_num_queries(7):
        page = owner_client.get(OVERVIEW).content.decode()
    assert page.count("@acme.test</td>") + page.count("@acme.test <span") == members


def test_overview_shows_ten_members_and_leads_to_the_others(owner_client, tenant):
    add_members(tenant, 10)
    page = owner_client.get(OVERVIEW).content.decode()
    assert page.count("@acme.test</td>") + page.count("@acme.test <span") == 10
    assert '<a href="/t/acme/members/">All 11 members</a>' in page


def test_members_are_listed_by_rank(viewer_client, owner, admin):
    page = viewer_client.get(reverse("tenants:members", args=["acme"])).content.decode()
    table = page[page.index("<table") : page.index("</table>")]
    addresses = ["owner@acme.test", "admin@acme.test", "viewer@acme.test"]
    assert sorted(addresses, key=table.index) == addresses


def test_members_give_the_date_as_a_time_element(viewer_client, viewer):
    at = viewer.memberships.get().created_at
    page = viewer_client.get(reverse("tenants:members", args=["acme"])).content.decode()
    assert f'<time datetime="{at.replace(microsecond=at.microsecond).isoformat()}">' in page


def test_settings_save_a_name(admin_client, tenant):
    response = admin_client.post(reverse("tenants:settings", args=["acme"]), {"name": "Acme GmbH"}, follow=True)
    tenant.refresh_from_db()
    assert tenant.name == "Acme GmbH"
    assert "The name is saved." in response.content.decode()


def test_settings_keep_the_name_when_the_new_one_will_not_do(admin_client, tenant):
    response = admin_client.post(reverse("tenants:settings", args=["acme"]), {"name": "\u200b"})
    tenant.refresh_from_db()
    assert response.status_code == 200
    assert "Give the company a name." in response.content.decode()
    assert tenant.name == "Acme"


def test_switching_shows_the_other_tenant_with_the_role_held_there(owner, owner_client, other_tenant):
    Membership.objects.create(tenant=other_tenant, user=owner, role=Role.VIEWER)
    assert '<a href="/t/acme/" aria-current="true">Acme</a>' in owner_client.get(OVERVIEW).content.decode()
    page = owner_client.get("/t/other/").content.decode()
    assert '<a href="/t/other/" aria-current="true">Other</a>' in page
    assert '<a href="/t/acme/">Acme</a>' in page
    assert "You are a viewer here" in page
