"""Staff's pages of people's accounts."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from tenants.enums import Role
from tenants.errors import MemberError
from tenants.invitations import invite
from tenants.members import leave_tenant
from tenants.models import AuditEntry, Invitation, Membership, Tenant, User
from tenants.scoping import every_tenant
from tests.conftest import PASSWORD, logged_in
from tests.integrations.test_admin import queries_of

WHY = {"reason": "Asked by phone"}


def account(user, deed="deactivate"):
    return f"/admin/users/{user.pk}/{deed}/"


def page_of(user):
    return reverse("admin:tenants_user_change", args=[user.pk])


def entries():
    with every_tenant():
        found = AuditEntry.objects.order_by("pk")
        return [(entry.by_label, entry.deed, entry.subject, entry.details) for entry in found]


def is_active(user):
    return User.objects.get(pk=user.pk).is_active


@pytest.fixture
def clerk(db):
    """Staff who may change accounts, and is no superuser."""
    from django.contrib.auth.models import Permission

    user = User.objects.create_user("clerk@headwater.test", PASSWORD, is_staff=True)
    permissions = Permission.objects.filter(
        content_type__app_label="tenants", codename__in=["view_user", "change_user"]
    )
    user.user_permissions.set(permissions)
    return user


@pytest.mark.parametrize("is_usable", [True, False])
def test_page_shows_nothing_of_the_password(staff_client, owner, is_usable):
    if not is_usable:
        owner.set_unusable_password()
        owner.save()
    page = staff_client.get(page_of(owner)).content.decode()
    assert ("Set." in page, "None: nobody can sign in with a password." in page) == (is_usable, not is_usable)
    assert [part[:6] in page for part in owner.password.split("$")[1:]] == [False] * (2 if is_usable else 0)
    assert owner.password not in page


def test_page_shows_the_companies_and_leads_to_all(staff_client, owner):
    page = staff_client.get(page_of(owner)).content.decode()
    assert "Acme (owner)" in page
    assert f"/admin/tenants/membership/?user__id__exact={owner.pk}" in page


def test_password_that_staff_set_is_noted_for_the_companies(staff_client, staff, owner):
    url = reverse("admin:auth_user_password_change", args=[owner.pk])
    form = {"usable_password": "true", "password1": "staple under bridge", "password2": "staple under bridge"}
    assert staff_client.get(url).status_code == 200
    assert staff_client.post(url, form).status_code == 302
    owner.refresh_from_db()
    assert owner.check_password("staple under bridge")
    changed = (staff.email, "(staff) changed the account of", owner.email, {"fields": "password"})
    assert entries() == [changed]


def test_rights_are_given_with_an_entry_in_djangos_log(staff_client, viewer):
    staff_client.post(page_of(viewer), {"is_staff": "on", "is_superuser": "on"})
    viewer.refresh_from_db()
    assert (viewer.is_staff, viewer.is_superuser) == (True, True)
    logged = LogEntry.objects.get()
    assert (logged.object_id, logged.get_change_message()) == (
        str(viewer.pk),
        "Changed Staff status and Superuser status.",
    )


def test_address_and_activity_are_not_changed_in_the_form(staff_client, viewer):
    staff_client.post(page_of(viewer), {"email": "other@acme.test", "is_active": "", "password": "x"})
    before = (viewer.email, viewer.is_active, viewer.password)
    viewer.refresh_from_db()
    assert (viewer.email, viewer.is_active, viewer.password) == before


def test_account_is_not_deleted(staff_client, owner):
    assert staff_client.post(reverse("admin:tenants_user_delete", args=[owner.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": owner.pk, "post": "yes"}
    staff_client.post(reverse("admin:tenants_user_changelist"), chosen)
    assert User.objects.filter(pk=owner.pk).exists()


def test_deactivation_tells_what_it_does_first(staff_client, owner, viewer):
    assert account(owner) in staff_client.get(page_of(owner)).content.decode()
    alone = staff_client.get(account(owner)).content.decode()
    assert ("signed out everywhere" in alone, "Left without an owner who can sign in: Acme." in alone) == (True, True)
    assert "Left without" not in staff_client.get(account(viewer)).content.decode()
    assert "This field is required." in staff_client.post(account(owner), {}).content.decode()
    assert (is_active(owner), entries(), LogEntry.objects.count()) == (True, [], 0)


def test_deactivated_account_is_signed_out_and_has_sent_no_invitations(staff_client, staff, owner, client, tenant):
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert client.get("/t/acme/").status_code == 200
    invite(tenant, "again@acme.test", Role.OWNER, by=owner)
    for _ in range(2):
        assert staff_client.post(account(owner), WHY)["Location"] == page_of(owner)
    assert (is_active(owner), client.get("/t/acme/").status_code) == (False, 302)
    with every_tenant():
        assert Invitation.objects.get().revoked_at is not None
    assert entries()[-1] == (staff.email, "(staff) deactivated the account of", owner.email, WHY)
    assert [deed for _, deed, *_ in entries()].count("(staff) deactivated the account of") == 1
    assert LogEntry.objects.earliest("pk").change_message == "Deactivate: Asked by phone"

    staff_client.post(account(owner, "activate"), WHY)
    assert (is_active(owner), client.get("/t/acme/").status_code) == (True, 302)
    assert entries()[-1] == (staff.email, "(staff) activated the account of", owner.email, WHY)


def test_owner_who_cannot_sign_in_is_no_second_owner(staff_client, tenant, owner):
    second = User.objects.create_user("second@acme.test", PASSWORD)
    Membership.objects.create(tenant=tenant, user=second, role=Role.OWNER)
    assert "Left without" not in staff_client.get(account(second)).content.decode()
    staff_client.post(account(second), WHY)
    with pytest.raises(MemberError, match="at least one owner"):
        leave_tenant(tenant, owner)


def test_companies_without_another_owner_are_named_up_to_ten(staff_client, owner):
    for number in range(12):
        tenant = Tenant.objects.create(name=f"Company {number:02}", slug=f"company-{number}")
        Membership.objects.create(tenant=tenant, user=owner, role=Role.OWNER)
    page = staff_client.get(account(owner)).content.decode()
    assert "Company 08, others." in page
    assert "Company 09" not in page


def test_nobody_deactivates_themselves(staff_client, staff):
    assert [staff_client.get(account(staff)).status_code, staff_client.post(account(staff), WHY).status_code] == [
        403
    ] * 2
    assert is_active(staff)


def test_staff_get_at_nobody_with_more_rights(staff, clerk, viewer):
    client = logged_in(clerk)
    assert client.post(account(staff), WHY).status_code == 403
    assert client.post(reverse("admin:auth_user_password_change", args=[staff.pk]), {}).status_code == 403
    assert client.post(page_of(staff), {"is_superuser": ""}).status_code == 403
    client.post(page_of(viewer), {"is_staff": "on", "is_superuser": "on"})
    viewer.refresh_from_db()
    assert (viewer.is_staff, viewer.is_superuser, is_active(staff)) == (False, False, True)
    assert client.post(account(viewer), WHY).status_code == 302
    assert not is_active(viewer)


def test_deeds_are_for_staff_alone_and_no_others(owner_client, client, staff_client, viewer):
    for someone in (owner_client, client):
        assert someone.post(account(viewer), WHY).status_code == 302
    assert (is_active(viewer), entries()) == (True, [])
    assert staff_client.get(account(viewer, "explode")).status_code == 404
    assert staff_client.get("/admin/users/0/deactivate/").status_code == 404


def test_page_takes_as_many_queries_for_more_companies(staff_client, owner):
    one = queries_of(staff_client, page_of(owner))
    for number in range(3):
        tenant = Tenant.objects.create(name=f"Company {number}", slug=f"company-{number}")
        Membership.objects.create(tenant=tenant, user=owner, role=Role.VIEWER)
    assert queries_of(staff_client, page_of(owner)) == one
