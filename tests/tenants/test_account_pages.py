"""allauth's pages in the product's look, and the ways through them."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse

from tenants.models import Tenant, User
from tests.conftest import PASSWORD
from tests.emptying import empty_redis

NEW_PASSWORD = "staple under bridge"
SIGN_UP = {"email": "New@acme.test", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture(autouse=True)
def _no_earlier_tries(db):
    """The rate limits count in the cache, which outlives a test."""
    empty_redis()


def link_in(message):
    (path,) = re.findall(r"http://[^/\s]+(/\S+)", message.body)
    return path


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/login/",
        "/accounts/signup/",
        "/accounts/inactive/",
        "/accounts/confirm-email/",
        "/accounts/confirm-email/not-a-key/",
        "/accounts/password/reset/",
        "/accounts/password/reset/done/",
        "/accounts/password/reset/key/1-not-a-key/",
        "/accounts/password/reset/key/done/",
    ],
)
def test_entrance_pages_have_our_look(client, path):
    response = client.get(path)
    page = response.content.decode()
    assert response.status_code == 200
    assert 'class="card card--entrance account"' in page
    assert "css/headwater.css" in page
    assert re.search(r"<title>\s*\S.* · Headwater</title>", page, re.DOTALL)


@pytest.mark.parametrize(
    "name",
    [
        "account_email",
        "account_change_password",
        "account_logout",
        "account_reauthenticate",
        "mfa_index",
        "usersessions_list",
    ],
)
def test_manage_pages_have_our_look(client, owner, name):
    client.login(email=owner.email, password=PASSWORD)
    response = client.get(reverse(name), follow=True)
    page = response.content.decode()
    assert response.status_code == 200
    assert 'class="card card--entrance account"' in page
    assert re.findall(r"<script.*?</script>", page, re.DOTALL) == ['<script src="/static/js/pages.js" defer></script>']
    assert " style=" not in page


def test_sign_up_leads_over_the_confirmed_address_and_the_company_name_to_its_overview(client):
    response = client.post("/accounts/signup/", SIGN_UP, follow=True)
    assert response.redirect_chain == [("/accounts/confirm-email/", 302)]
    assert "_auth_user_id" not in client.session
    response = client.post(link_in(mail.outbox[0]), follow=True)
    assert response.redirect_chain == [("/", 302), ("/new/", 302)]
    response = client.post("/new/", {"name": "Acme"}, follow=True)
    assert response.redirect_chain == [("/t/acme/", 302)]
    assert "You are an owner here, as new@acme.test." in response.content.decode()


def test_sign_up_does_not_tell_who_has_an_account(client, owner):
    taken = Client().post("/accounts/signup/", {**SIGN_UP, "email": "OWNER@acme.test"}, follow=True)
    free = client.post("/accounts/signup/", SIGN_UP, follow=True)
    assert taken.redirect_chain == free.redirect_chain == [("/accounts/confirm-email/", 302)]
    pages = [re.sub("owner@acme.test|new@acme.test|OWNER@acme.test", "", r.content.decode()) for r in (taken, free)]
    assert pages[0] == pages[1]
    assert [message.to for message in mail.outbox] == [["owner@acme.test"], ["new@acme.test"]]
    assert "already" in mail.outbox[0].body
    assert sorted(User.objects.values_list("email", flat=True)) == ["new@acme.test", "owner@acme.test"]
    assert owner.check_password(PASSWORD)


def test_log_in_waits_for_the_address_to_be_confirmed(client, owner):
    EmailAddress.objects.update(verified=False)
    response = client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert response["Location"] == "/accounts/confirm-email/"
    assert "_auth_user_id" not in client.session
    client.post(link_in(mail.outbox[0]))
    assert client.session["_auth_user_id"] == str(owner.pk)


def test_a_confirmation_link_logs_nobody_in_from_another_browser(client):
    Client().post("/accounts/signup/", SIGN_UP)
    client.post(link_in(mail.outbox[0]))
    assert EmailAddress.objects.get().verified
    assert "_auth_user_id" not in client.session


def test_sign_up_refuses_a_common_password(client):
    response = client.post("/accounts/signup/", {**SIGN_UP, "password1": "password1", "password2": "password1"})
    assert "This password is too common." in response.content.decode()
    assert not User.objects.exists()


def test_log_in_by_email_leads_to_the_only_tenant(client, viewer):
    response = client.post("/accounts/login/", {"login": "VIEWER@acme.test", "password": PASSWORD}, follow=True)
    assert response.redirect_chain == [("/", 302), ("/t/acme/", 302)]


def test_log_in_returns_to_the_page_that_asked_for_it(client, viewer):
    response = client.post(
        "/accounts/login/?next=/t/acme/members/",
        {"login": viewer.email, "password": PASSWORD, "next": "/t/acme/members/"},
    )
    assert response["Location"] == "/t/acme/members/"


def test_log_in_never_leads_to_another_site(client, viewer):
    response = client.post(
        "/accounts/login/", {"login": viewer.email, "password": PASSWORD, "next": "https://evil.test/"}
    )
    assert response["Location"] == "/"


def test_log_in_says_the_same_of_a_wrong_password_and_an_unknown_address(client, owner):
    wrong = client.post("/accounts/login/", {"login": owner.email, "password": "wrong"})
    unknown = client.post("/accounts/login/", {"login": "no@acme.test", "password": "wrong"})
    sentence = "The email address and/or password you specified are not correct."
    assert sentence in wrong.content.decode()
    assert sentence in unknown.content.decode()


def test_log_in_is_limited_after_failures(client, owner):
    for _ in range(10):
        client.post("/accounts/login/", {"login": owner.email, "password": "wrong"})
    response = client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert "Too many failed login attempts." in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_log_out_needs_a_post(owner_client):
    owner_client.get("/accounts/logout/")
    assert "_auth_user_id" in owner_client.session
    response = owner_client.post("/accounts/logout/")
    assert response["Location"] == "/accounts/login/"
    assert "_auth_user_id" not in owner_client.session


@pytest.mark.parametrize("usable", [True, False])
def test_password_reset_sets_a_password_by_mail(client, owner, usable):
    if not usable:
        owner.set_unusable_password()
        owner.save()
    client.post("/accounts/password/reset/", {"email": owner.email})
    form_page = client.get(link_in(mail.outbox[0]), follow=True)
    assert 'class="card card--entrance account"' in form_page.content.decode()
    client.post(form_page.request["PATH_INFO"], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert client.login(email=owner.email, password=NEW_PASSWORD)


def test_password_reset_link_works_once(client, owner):
    client.post("/accounts/password/reset/", {"email": owner.email})
    link = link_in(mail.outbox[0])
    form_page = client.get(link, follow=True)
    client.post(form_page.request["PATH_INFO"], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert "This link is no longer valid" in client.get(link, follow=True).content.decode()


def test_password_reset_does_not_tell_who_has_an_account(client, owner):
    known = client.post("/accounts/password/reset/", {"email": owner.email}, follow=True)
    unknown = client.post("/accounts/password/reset/", {"email": "no@acme.test"}, follow=True)
    assert known.redirect_chain == unknown.redirect_chain
    assert known.content == unknown.content


def test_password_reset_is_limited(client, owner):
    statuses = [client.post("/accounts/password/reset/", {"email": owner.email}).status_code for _ in range(6)]
    assert statuses[0] == 302
    response = client.post("/accounts/password/reset/", {"email": owner.email})
    assert response.status_code == 429
    assert "Too many tries in a short time" in response.content.decode()


@pytest.mark.parametrize(
    ("path", "form", "link"),
    [
        ("/accounts/signup/", SIGN_UP, "/accounts/confirm-email/"),
        ("/accounts/signup/", SIGN_UP | {"email": "owner@acme.test"}, "/accounts/password/reset/"),
        ("/accounts/password/reset/", {"email": "owner@acme.test"}, "/accounts/password/reset/key/"),
        ("/accounts/password/reset/", {"email": "no@acme.test"}, "/accounts/signup/"),
    ],
)
def test_links_in_mails_have_the_address_of_the_site_whatever_a_proxy_calls_it(
    client, owner, settings, path, form, link
):
    settings.SITE_URL = "https://app.acme.test"
    settings.ALLOWED_HOSTS = ["web-3.internal"]
    client.post(path, form, headers={"host": "web-3.internal:8000"})
    (message,) = mail.outbox
    assert f"\nhttps://app.acme.test{link}" in message.body
    assert "internal" not in f"{message.subject}{message.body}"


def test_mail_server_that_takes_nothing_stops_no_sign_up_and_is_named(client, db, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    page = client.post("/accounts/signup/", SIGN_UP, follow=True).content.decode()
    assert "A mail to you could not be sent" in page
    assert User.objects.filter(email="new@acme.test").exists()


@pytest.mark.usefixtures("refusing_provider")
def test_password_reset_answers_the_same_for_addresses_that_the_provider_refuses(client, owner):
    pages = [client.post("/accounts/password/reset/", {"email": email}) for email in (owner.email, "no@acme.test")]
    assert [(page.status_code, page["Location"]) for page in pages] == [(302, "/accounts/password/reset/done/")] * 2
    assert "A mail to you could not be sent" in client.get("/accounts/password/reset/done/").content.decode()


def test_password_change_keeps_the_session_and_tells_the_user(client, owner):
    client.login(email=owner.email, password=PASSWORD)
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post("/accounts/password/change/", form)
    owner.refresh_from_db()
    assert owner.check_password(NEW_PASSWORD)
    assert "_auth_user_id" in client.session
    assert [message.to for message in mail.outbox] == [[owner.email]]


def test_confirming_an_address_needs_a_click_of_its_own(client):
    client.post("/accounts/signup/", SIGN_UP)
    link = link_in(mail.outbox[0])
    client.get(link)
    assert not EmailAddress.objects.get().verified
    client.post(link)
    assert EmailAddress.objects.get().verified


def test_account_menu_is_in_every_page_and_signs_out_by_post(owner_client, tenant):
    for path in ("/t/acme/", "/new/"):
        page = owner_client.get(path).content.decode()
        assert '<form method="post" action="/accounts/logout/">' in page
    assert Tenant.objects.count() == 1
