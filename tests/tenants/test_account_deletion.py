"""Somebody who deletes their own account: what goes, what stays, and who may not."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from tenants.accounts import IN_A_COMPANY, OF_STAFF, delete_account
from tenants.audit import note
from tenants.closing import delete_tenant
from tenants.enums import PersonField
from tenants.erasure import ask_for_person, run
from tenants.members import leave_tenant
from tenants.models import AuditEntry, User
from tenants.scoping import scope
from tenants.staff_pages import note_for_staff
from tests.conftest import PASSWORD, make_user
from tests.emptying import empty_redis
from tests.tenants.test_once import waiting_for_locks
from tests.waiting import eventually

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


def test_owner_is_led_to_delete_the_company_and_others_are_not(tenant, owner_client, owner, viewer_client, viewer):
    delete, leave = reverse("tenants:delete", args=["acme"]), reverse("tenants:leave", args=["acme"])
    for user, client, is_owner in ((owner, owner_client, True), (viewer, viewer_client, False)):
        page = sign_in(user).get(PAGE).content.decode()
        assert (f'href="{leave}"' in page, f'href="{delete}"' in page) == (True, is_owner)
        assert (f'href="{delete}"' in client.get(leave).content.decode()) == is_owner


def receipts(client):
    return re.findall(r'href="(/erasure/[^"]+)"', client.get(PAGE).content.decode())


def test_page_shows_the_receipts_that_nobody_else_can_open(tenant, owner, other_tenant, stranger):
    with scope(tenant.pk):
        person = ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    with scope(other_tenant.pk):
        ask_for_person(other_tenant, PersonField.USER, "u-1", by=owner)
        ask_for_person(other_tenant, PersonField.USER, "u-2", by=stranger)
    company = delete_tenant(tenant, "Acme", by=owner)
    client = sign_in(owner)
    links = [reverse("tenants:receipt_file", args=[asked.pk]) for asked in (company, person)]
    assert receipts(client) == links
    assert "Under way" in client.get(PAGE).content.decode()
    run()
    assert receipts(client) == links
    page = client.get(PAGE).content.decode()
    assert ("cannot be opened any more" in page, "Under way" in page) == (True, False)
    assert client.get(links[0]).json()["counts"]["members"] == 1


@pytest.mark.parametrize("count", [1, 60])
def test_page_takes_as_many_queries_for_more_receipts(tenant, owner, django_assert_num_queries, count):
    with scope(tenant.pk):
        for number in range(count):
            ask_for_person(tenant, PersonField.USER, f"u-{number}", by=owner)
    delete_tenant(tenant, "Acme", by=owner)
    client = sign_in(owner)
    # Session, user, second factors (3), what keeps the account (2), count, receipts.
    with django_assert_num_queries(9):
        assert len(receipts(client)) == min(count + 1, 50)


def test_deletion_is_told_to_the_primary_address_once(django_capture_on_commit_callbacks, settings):
    settings.SUPPORT_EMAIL = "help@headwater.test"
    user = make_user("ann@alone.test")
    client = sign_in(user)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(PAGE)
    (told,) = mail.outbox
    assert (told.to, told.subject) == (["ann@alone.test"], "Your account is deleted")
    assert "help@headwater.test" in told.body


def test_deletion_that_is_refused_is_told_to_nobody(tenant, viewer, django_capture_on_commit_callbacks):
    client = sign_in(viewer)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(PAGE)
    assert mail.outbox == []


@pytest.mark.django_db(transaction=True)
def test_account_goes_when_the_provider_does_not_take_the_mail(refusing_provider):
    user = make_user("ann@alone.test")
    assert sign_in(user).post(PAGE)["Location"] == "/accounts/login/"
    assert not exists(user)


@pytest.mark.django_db(transaction=True)
def test_deletion_that_is_sent_twice_at_once_leads_to_the_log_in_both_times():
    user = make_user("ann@alone.test")
    browser = sign_in(user)

    def send(cookies):
        client = Client()
        client.cookies.update(cookies)
        try:
            return client.post(PAGE)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=user.pk)
            answers = [pool.submit(send, browser.cookies) for _ in range(2)]
            assert eventually(waiting_for_locks, lambda count: count == 2) == 2
        assert [each.result(30)["Location"] for each in answers] == ["/accounts/login/"] * 2
    assert not exists(user)
    assert [message.subject for message in mail.outbox] == ["Your account is deleted"]


def test_account_that_is_gone_is_not_deleted_again(django_capture_on_commit_callbacks):
    user = make_user("ann@alone.test")
    with django_capture_on_commit_callbacks(execute=True):
        for again in (user, User.objects.get(pk=user.pk)):
            delete_account(again)
    assert [message.to for message in mail.outbox] == [["ann@alone.test"]]


def test_record_of_what_staff_did_does_not_go_with_their_account(staff, viewer, tenant):
    note_for_staff(viewer, staff, "Deactivate: Asked by phone")
    for is_staff in (True, False):
        User.objects.filter(pk=staff.pk).update(is_staff=is_staff)
        assert OF_STAFF in sign_in(staff).post(PAGE, follow=True).content.decode()
    assert (exists(staff), LogEntry.objects.count()) == (True, 1)
