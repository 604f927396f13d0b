"""Somebody who deletes their own account: what goes, what stays, and who may not."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client

from tenants.accounts import IN_A_COMPANY, OF_STAFF
from tenants.audit import note
from tenants.members import leave_tenant
from tenants.models import AuditEntry, User
from tenants.scoping import scope
from tenants.staff_pages import note_for_staff
from tests.conftest import PASSWORD, make_user
from tests.emptying import empty_redis

PAGE = "/accounts/delete/"


@pytest.fixture(autouse=True)
def _no_earlier_tries(db):
    """The rate limits count in the cache, which outlives a test."""
    empty_redis()


def sign_in(user):
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def exists(user):
    return User.objects.filter(pk=user.pk).exists()


def test_account_goes_with_all_that_hangs_on_it(tenant, viewer, staff):
    with scope(tenant.pk):
        note(tenant.pk, viewer, "renamed", "Main")
        leave_tenant(tenant, viewer)
    Authenticator.objects.create(user=viewer, type=Authenticator.Type.RECOVERY_CODES, data={})
    note_for_staff(viewer, staff, "Deactivate: Asked by phone")
    phone, here = sign_in(viewer), sign_in(viewer)
    assert "Delete my account" in here.get(PAGE).content.decode()
    response = here.post(PAGE, follow=True)
    assert response.redirect_chain == [("/accounts/login/", 302)]
    assert "The account viewer@acme.test is deleted." in response.content.decode()
    assert not exists(viewer)
    assert phone.get(PAGE)["Location"] == f"/accounts/login/?next={PAGE}"
    counts = [model.objects.count() for model in (UserSession, Session, Authenticator, LogEntry)]
    assert (counts, EmailAddress.objects.filter(email=viewer.email).count()) == ([0, 0, 0, 0], 0)
    with scope(tenant.pk):
        assert set(AuditEntry.objects.values_list("by_label", flat=True)) == {"viewer@acme.test"}


def test_page_asks_for_the_password_first(client):
    user = make_user("ann@alone.test")
    client.force_login(user)
    for answer in (client.get(PAGE), client.post(PAGE)):
        assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert exists(user)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post(PAGE)
    assert not exists(user)


def test_member_is_led_to_leave_first(tenant, viewer):
    client = sign_in(viewer)
    page = client.get(PAGE).content.decode()
    assert (IN_A_COMPANY in page, "/t/acme/members/leave/" in page, "Delete my account" in page) == (True, True, False)
    assert IN_A_COMPANY in client.post(PAGE, follow=True).content.decode()
    assert exists(viewer)


def test_record_of_what_staff_did_does_not_go_with_their_account(staff, viewer, tenant):
    note_for_staff(viewer, staff, "Deactivate: Asked by phone")
    for is_staff in (True, False):
        User.objects.filter(pk=staff.pk).update(is_staff=is_staff)
        assert OF_STAFF in sign_in(staff).post(PAGE, follow=True).content.decode()
    assert (exists(staff), LogEntry.objects.count()) == (True, 1)
