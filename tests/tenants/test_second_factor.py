"""Two-factor sign-in: setting it up, signing in with it, the staff door behind it, and what is stored of it."""

import re
import time
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.management import CommandError, call_command
from django.test import Client

from integrations.rotation import Rotation, reencrypt_secrets
from tenants.enums import Role
from tenants.models import AuditEntry, Membership
from tenants.scoping import scope
from tests.conftest import PASSWORD, logged_in, make_user
from tests.emptying import empty_redis

NEW = "new:" + "A" * 43


@pytest.fixture(autouse=True)
def _no_earlier_tries(db):
    """Rate limits and used codes are in the cache, which outlives a test."""
    empty_redis()


def code(secret, steps=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def sign_in(user, client=None, **form):
    client = client or Client()
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD, **form})
    return client, response


def set_up(client):
    """Turn it on in this signed-in browser; gives the key and the page after it."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    (secret,) = re.findall(r'Key: <span class="mono">(\w+)</span>', page)
    return secret, client.post("/accounts/2fa/totp/activate/", {"code": code(secret)}, follow=True)


def deeds(tenant):
    with scope(tenant.pk):
        entries = AuditEntry.objects.order_by("pk").values_list("by_label", "deed", "subject")
        return [entry for entry in entries if entry[1] != "signed in"]


@pytest.fixture
def secret(owner):
    client, _ = sign_in(owner)
    return set_up(client)[0]


def test_set_up_asks_for_the_password_first(owner):
    client, _ = sign_in(owner)
    assert client.get("/accounts/2fa/totp/activate/")["Location"].startswith("/accounts/reauthenticate/")


def test_set_up_shows_a_square_without_a_script_of_its_own_or_a_style(owner):
    client, _ = sign_in(owner)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    assert "<svg" in page
    assert re.findall(r"<script.*?</script>|\sstyle=|data:", page, re.DOTALL) == [
        '<script src="/static/js/pages.js" defer></script>'
    ]


def test_set_up_leads_to_ten_recovery_codes(owner, client):
    sign_in(owner, client)
    _, response = set_up(client)
    assert response.redirect_chain[-1][0] == "/accounts/2fa/recovery-codes/"
    assert len(re.findall(r"<li>\d{8}</li>", response.content.decode())) == 10


def test_set_up_needs_a_right_code(owner, client):
    sign_in(owner, client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get("/accounts/2fa/totp/activate/")
    assert "Incorrect code." in client.post("/accounts/2fa/totp/activate/", {"code": "abcdef"}).content.decode()
    assert not Authenticator.objects.exists()


def test_log_in_asks_for_the_code_and_then_goes_where_it_was_asked_to(owner, secret):
    client, response = sign_in(owner, next="/t/acme/members/")
    assert response["Location"] == "/accounts/2fa/authenticate/"
    assert "_auth_user_id" not in client.session
    response = client.post("/accounts/2fa/authenticate/", {"code": code(secret)})
    assert response["Location"] == "/t/acme/members/"


def test_log_in_takes_a_code_once(owner, secret):
    used = code(secret)
    client, _ = sign_in(owner)
    client.post("/accounts/2fa/authenticate/", {"code": used})
    client, _ = sign_in(owner)
    assert "Incorrect code." in client.post("/accounts/2fa/authenticate/", {"code": used}).content.decode()
    assert "_auth_user_id" not in client.session


def test_log_in_takes_each_recovery_code_once(owner, secret):
    recovery = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    client, _ = sign_in(owner)
    client.post("/accounts/2fa/authenticate/", {"code": recovery})
    assert client.session["_auth_user_id"] == str(owner.pk)
    client, _ = sign_in(owner)
    client.post("/accounts/2fa/authenticate/", {"code": recovery})
    assert "_auth_user_id" not in client.session


def test_wrong_codes_are_limited(owner, secret):
    client, _ = sign_in(owner)
    for _ in range(5):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    page = client.post("/accounts/2fa/authenticate/", {"code": code(secret)}).content.decode()
    assert "Too many failed login attempts." in page
    assert "_auth_user_id" not in client.session


def test_secrets_are_encrypted_and_rotated(owner, secret, settings):
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    stored = repr(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]
    assert reencrypt_secrets(dry_run=True) == Rotation(reencrypted=2)
    assert reencrypt_secrets() == Rotation(reencrypted=2)
    assert reencrypt_secrets() == Rotation(current=2)
    settings.ENCRYPTION_KEYS = [NEW]
    assert Authenticator.objects.get(type="totp").wrap().validate_code(code(secret))
    assert Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes() == codes


def test_rotation_tells_of_a_second_factor_that_it_cannot_read(owner, secret, settings):
    settings.ENCRYPTION_KEYS = [NEW]
    unreadable = reencrypt_secrets().unreadable
    assert len(unreadable) == 2
    assert all(line.startswith("Second factor ") and secret not in line for line in unreadable)


@pytest.mark.django_db(transaction=True)
def test_history_tells_of_changes_and_log_ins_and_no_secret(owner, client, tenant):
    sign_in(owner, client)
    key, _ = set_up(client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/2fa/totp/deactivate/")
    assert deeds(tenant) == [
        (owner.email, "set up two-factor sign-in:", "authenticator app"),
        (owner.email, "set up two-factor sign-in:", "recovery codes"),
        (owner.email, "removed from two-factor sign-in:", "authenticator app"),
        (owner.email, "removed from two-factor sign-in:", "recovery codes"),
    ]
    with scope(tenant.pk):
        assert AuditEntry.objects.filter(deed="signed in").count() == 1
        assert key not in repr(list(AuditEntry.objects.values()))


def test_reset_takes_the_factor_off_and_ends_the_sessions(owner, secret, tenant):
    client, _ = sign_in(owner)
    client.post("/accounts/2fa/authenticate/", {"code": code(secret)})
    assert client.get("/t/acme/").status_code == 200
    out = StringIO()
    call_command("reset_second_factor", "Owner@acme.test", stdout=out)
    assert "signs in with the password alone now" in out.getvalue()
    assert client.get("/t/acme/").status_code == 302
    assert sign_in(owner)[1]["Location"] == "/"
    assert deeds(tenant)[-1] == ("Headwater", "took the second factor off", owner.email)


@pytest.mark.parametrize(("email", "reason"), [("no@acme.test", "Nobody"), ("owner@acme.test", "has no second factor")])
def test_reset_says_why_not(owner, email, reason):
    with pytest.raises(CommandError, match=reason):
        call_command("reset_second_factor", email)


def test_staff_are_led_from_the_admin_over_the_log_in_to_the_set_up(client, staff):
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"
    sign_in(staff, client)
    response = client.get("/admin/", follow=True)
    assert "/accounts/2fa/totp/activate/" in [url for url, _ in response.redirect_chain]
    set_up(client)
    client.post("/accounts/2fa/reauthenticate/", {"code": code(totp_of(staff), 1)})
    assert client.get("/admin/").status_code == 200


def totp_of(user):
    row = Authenticator.objects.get(user=user, type="totp")
    from integrations.second_factor import SecondFactorAdapter

    return SecondFactorAdapter().decrypt(row.data["secret"])


@pytest.mark.django_db(transaction=True)
def test_staff_who_have_just_set_it_up_are_let_in(client, staff):
    sign_in(staff, client)
    set_up(client)
    assert client.get("/admin/").status_code == 200


def test_staff_who_log_in_with_a_code_are_let_in(client, staff):
    other, _ = sign_in(staff)
    secret, _ = set_up(other)
    sign_in(staff, client)
    client.post("/accounts/2fa/authenticate/", {"code": code(secret)})
    assert client.get("/admin/").status_code == 200


def test_a_session_that_has_not_shown_the_factor_is_asked_for_it(client, staff):
    sign_in(staff, client)
    other, _ = sign_in(staff)
    secret, _ = set_up(other)
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/accounts/2fa/reauthenticate/?next=/admin/"
    client.post("/accounts/2fa/reauthenticate/", {"code": code(secret)})
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("path", ["/admin/", "/admin/review/", "/admin/tenants/user/", "/admin/tenants/auditentry/"])
def test_every_page_of_the_admin_is_behind_the_door(client, staff, path):
    client.force_login(staff)
    assert client.get(path).status_code == 302
    assert logged_in(staff).get(path).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_staff_who_turn_it_off_are_let_in_no_more(client, staff):
    sign_in(staff, client)
    set_up(client)
    turn_off(client)
    assert client.get("/admin/").status_code == 302


def turn_off(client):
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/2fa/totp/deactivate/")


@pytest.mark.django_db(transaction=True)
def test_staff_who_turn_it_off_are_signed_out_in_every_other_browser(client, staff, tenant):
    Membership.objects.create(tenant=tenant, user=staff, role=Role.VIEWER)
    sign_in(staff, client)
    key, _ = set_up(client)
    other, _ = sign_in(staff, Client(headers={"user-agent": "Firefox/132.0"}))
    other.post("/accounts/2fa/authenticate/", {"code": code(key, 1)})
    assert other.get("/admin/").status_code == 200
    turn_off(client)
    assert "_auth_user_id" in client.session
    assert "_auth_user_id" not in other.session
    assert other.get("/admin/", follow=True).redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"
    assert (staff.email, "signed out another browser:", "Firefox") in deeds(tenant)


def test_admin_changes_a_password_on_the_page_of_the_product(client, staff):
    staff_client = logged_in(staff)
    assert staff_client.post("/admin/password_change/", {})["Location"] == "/accounts/password/change/"
    assert client.get("/admin/password_change/")["Location"].startswith("/admin/login/")


def test_the_record_of_another_user_opens_nothing(client, staff):
    client.force_login(make_user("ann@new.test"))
    session = client.session
    session["second_factor_shown_by"] = staff.pk
    session.save()
    assert client.get("/admin/", follow=True).status_code == 403


def test_the_demo_lets_staff_in_without(client, staff, settings):
    settings.REQUIRE_STAFF_MFA = False
    sign_in(staff, client)
    assert client.get("/admin/").status_code == 200


def test_admin_log_in_is_limited_like_any(client, staff):
    for _ in range(5):
        client.post("/accounts/login/?next=/admin/", {"login": staff.email, "password": "wrong"})
    page = client.post("/accounts/login/?next=/admin/", {"login": staff.email, "password": PASSWORD}).content.decode()
    assert "Too many failed login attempts." in page
