"""Staff's admin of users, tenants and memberships."""

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse

from tenants.audit import note
from tenants.enums import Role
from tenants.invitations import invite
from tenants.models import AuditEntry, Invitation, Membership, Tenant, User
from tenants.scoping import every_tenant
from tests.conftest import PASSWORD, make_member, make_user
from tests.integrations.test_admin import queries_of

MODELS = ["user", "tenant", "membership"]


@pytest.mark.parametrize("model", MODELS)
def test_admin_lists_and_finds(staff_client, owner, stranger, model):
    url = reverse(f"admin:tenants_{model}_changelist")
    assert staff_client.get(url).status_code == 200
    page = staff_client.get(url, {"q": "acme"}).content.decode()
    found = {"user": owner.email, "tenant": "Acme", "membership": owner.email}[model]
    other = {"user": stranger.email, "tenant": ">Other<", "membership": stranger.email}[model]
    assert found in page
    assert other not in page


@pytest.mark.parametrize("model", MODELS)
def test_admin_opens_each_form(staff_client, owner, model):
    pk = {"user": owner.pk, "tenant": Tenant.objects.get().pk, "membership": Membership.objects.get().pk}[model]
    assert staff_client.get(reverse(f"admin:tenants_{model}_change", args=[pk])).status_code == 200
    may_add = 200 if model == "user" else 403
    assert staff_client.get(reverse(f"admin:tenants_{model}_add")).status_code == may_add


def test_admin_changes_no_role(staff_client, owner, tenant):
    """Members do, with the rule of the last owner and an entry in the history."""
    member = Membership.objects.get()
    assert (
        staff_client.post(reverse("admin:tenants_membership_change", args=[member.pk]), {"role": "viewer"}).status_code
        == 403
    )
    assert (
        staff_client.post(reverse("admin:tenants_membership_delete", args=[member.pk]), {"post": "yes"}).status_code
        == 403
    )
    assert Membership.objects.get().role == "owner"


def test_admin_creates_a_user_with_a_small_address(staff_client):
    form = {"email": "Ann@Acme.test", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    response = staff_client.post(reverse("admin:tenants_user_add"), form)
    assert response.status_code == 302
    assert User.objects.get(email="ann@acme.test").check_password(PASSWORD)


def test_admin_deletes_no_tenant(staff_client, tenant):
    response = staff_client.post(reverse("admin:tenants_tenant_delete", args=[tenant.pk]), {"post": "yes"})
    assert response.status_code == 403
    assert Tenant.objects.filter(pk=tenant.pk).exists()


def test_admin_makes_no_tenant_without_an_owner_and_renames_none(staff_client, tenant):
    form = {"name": "Moved", "slug": "moved"}
    assert staff_client.post(reverse("admin:tenants_tenant_add"), form).status_code == 403
    assert staff_client.post(reverse("admin:tenants_tenant_change", args=[tenant.pk]), form).status_code == 403
    assert list(Tenant.objects.values_list("name", "slug")) == [("Acme", "acme")]


def test_admin_gives_nobody_an_address_and_confirms_none(staff_client, owner):
    """Whoever reads its mail could set a password, and would be the person."""
    theirs = EmailAddress.objects.create(user=owner, email="old@acme.test")
    form = {"user": owner.pk, "email": "mine@headwater.test", "verified": "on"}
    assert staff_client.post(reverse("admin:account_emailaddress_add"), form).status_code == 403
    assert staff_client.post(reverse("admin:account_emailaddress_change", args=[theirs.pk]), form).status_code == 403
    assert (
        staff_client.post(reverse("admin:account_emailaddress_delete", args=[theirs.pk]), {"post": "yes"}).status_code
        == 403
    )
    chosen = {"action": "make_verified", "_selected_action": theirs.pk}
    staff_client.post(reverse("admin:account_emailaddress_changelist"), chosen)
    assert (theirs.email, False) in EmailAddress.objects.filter(user=owner).values_list("email", "verified")
    page = staff_client.get(reverse("admin:account_emailaddress_changelist"), {"q": "acme"}).content.decode()
    assert ("old@acme.test" in page, "mark selected" in page.lower()) == (True, False)
    assert not EmailAddress.objects.filter(email="mine@headwater.test").exists()


def test_admin_shows_the_first_members_of_a_tenant_and_leads_to_all(staff_client, tenant, owner):
    address = reverse("admin:tenants_tenant_change", args=[tenant.pk])
    one = queries_of(staff_client, address)
    for number in range(12):
        Membership.objects.create(tenant=tenant, user=make_user(f"n{number:02}@acme.test"), role=Role.VIEWER)
    page = staff_client.get(address).content.decode()
    assert queries_of(staff_client, address) == one
    assert ("owner@acme.test (owner)" in page, "n08@acme.test" in page, "n09@acme.test" in page) == (True, True, False)
    everybody = f"{reverse('admin:tenants_membership_changelist')}?tenant__id__exact={tenant.pk}"
    assert everybody in page
    assert staff_client.get(everybody).content.decode().count("@acme.test</a>") == 13


def test_admin_is_closed_to_members(owner_client):
    response = owner_client.get(reverse("admin:index"), follow=True)
    assert response.status_code == 403
    assert "Your role does not allow this" in response.content.decode()


def test_admin_logs_in_through_the_rate_limited_page(client, db):
    response = client.get(reverse("admin:index"), follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"


@pytest.mark.parametrize("members", [1, 3])
def test_admin_lists_memberships_in_as_many_queries_for_more(staff_client, tenant, django_assert_num_queries, members):
    for role in list(Role)[:members]:
        make_member(tenant, role)
    # Session, user, one count, the page.
    with django_assert_num_queries(4):
        staff_client.get(reverse("admin:tenants_membership_changelist"))


@pytest.mark.parametrize("model", ["auditentry", "invitation"])
def test_admin_shows_history_and_invitations_of_all_tenants_to_be_read_only(staff_client, owner, stranger, model):
    for user in (owner, stranger):
        tenant = user.memberships.get().tenant
        invite(tenant, f"ann@{tenant.slug}.test", Role.VIEWER, by=user)
    page = staff_client.get(reverse(f"admin:tenants_{model}_changelist")).content.decode()
    assert ("ann@acme.test" in page, "ann@other.test" in page) == (True, True)
    with every_tenant():
        first = {"auditentry": AuditEntry.objects.first(), "invitation": Invitation.objects.first()}[model]
    assert first is not None
    pk = first.pk
    shown = staff_client.get(reverse(f"admin:tenants_{model}_change", args=[pk]))
    assert shown.status_code == 200
    assert "digest" not in shown.content.decode()
    assert staff_client.get(reverse(f"admin:tenants_{model}_add")).status_code == 403
    assert staff_client.post(reverse(f"admin:tenants_{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403
    assert staff_client.post(reverse(f"admin:tenants_{model}_change", args=[pk]), {"deed": "x"}).status_code == 403
    with every_tenant():
        assert (AuditEntry.objects.count(), Invitation.objects.count()) == (2, 2)


@pytest.mark.parametrize("path", ["mfa/authenticator/", "usersessions/usersession/"])
def test_admin_shows_no_secrets_of_second_factors_and_no_session_keys(staff_client, path):
    assert staff_client.get(f"/admin/{path}").status_code == 404


@pytest.mark.parametrize(("query", "queries"), [("", 3), ("?q=nobody", 4)])
def test_history_of_all_tenants_is_not_counted(staff_client, query, queries):
    assert queries_of(staff_client, f"/admin/tenants/auditentry/{query}") == queries


def test_history_of_all_tenants_is_searched_among_the_newest(staff_client, owner, tenant, other_tenant, monkeypatch):
    with every_tenant():
        note(tenant.pk, owner, "paused", "Main")
        note(other_tenant.pk, None, "resumed", "Side")

    def found(term):
        response = staff_client.get("/admin/tenants/auditentry/", {"q": term})
        return [entry.subject for entry in response.context["cl"].result_list]

    assert [found(term) for term in ("acme", "owner@", "Side", "nobody")] == [["Main"], ["Main"], ["Side"], []]
    monkeypatch.setattr("tenants.admin.NEWEST_ENTRIES", 1)
    assert [found(term) for term in ("acme", "Side", "")] == [[], ["Side"], ["Side", "Main"]]
