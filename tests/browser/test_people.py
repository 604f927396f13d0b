"""Accounts and people in a browser, their mails read in the demo's mailbox: each flow as somebody would walk it."""

import base64
import hashlib
import hmac
import re
import struct
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from tenants.enums import Role
from tenants.invitations import invite
from tenants.models import Invitation, Membership, Tenant, User
from tenants.scoping import scope
from tests.browser.visitors import open_link_of_mail
from tests.conftest import PASSWORD, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NEW_PASSWORD = "staple under bridge"
GRACE = "grace@acme.test"


def fill_sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.locator("summary", has_text=re.compile("@")).click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def one_time_code(key: str, steps: int = 0) -> str:
    """What an authenticator app shows for this key (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.new(base64.b32decode(key), counter, hashlib.sha1).digest()
    start = digest[-1] & 0xF
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


# Invitations


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_somebody_invited_signs_up_from_the_mail_and_is_a_member_with_the_role(opened, owner, script):
    desk = opened(owner, script=script)
    desk.goto("/t/acme/members/")
    desk.get_by_role("link", name="Invite people").click()
    desk.get_by_label("Email").fill(GRACE)
    desk.get_by_role("combobox", name="Role").select_option(label="Admin")
    desk.get_by_role("button", name="Send invitation").click()
    expect(desk.get_by_text(f"{GRACE} is invited")).to_be_visible()

    guest = opened(script=script)
    open_link_of_mail(guest, f"{owner.email} invites you to Acme")
    expect(guest.get_by_text(f"{owner.email} invites {GRACE} to join Acme as admin.")).to_be_visible()
    guest.get_by_role("link", name="Create an account").click()
    expect(guest.get_by_label("Email")).to_have_value(GRACE)
    guest.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    guest.get_by_label("Password (again)").fill(NEW_PASSWORD)
    guest.get_by_role("button", name="Sign up").click()
    guest.get_by_role("button", name="Accept").click()
    expect(guest.get_by_text("Welcome to Acme.")).to_be_visible()
    assert Membership.objects.get(user__email=GRACE).role == Role.ADMIN

    desk.goto("/t/acme/members/")
    expect(desk.get_by_role("row", name=GRACE)).to_contain_text("Admin")


def test_somebody_with_an_account_signs_in_from_the_mail_and_accepts(opened, owner, tenant):
    invite(tenant, make_user(GRACE).email, Role.VIEWER, by=owner)
    guest = opened()
    open_link_of_mail(guest, "invites you to Acme")
    guest.get_by_role("link", name="Sign in").click()
    guest.get_by_label("Email").fill(GRACE)
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Sign in", exact=True).click()
    guest.get_by_role("button", name="Accept").click()
    expect(guest.get_by_text("Welcome to Acme.")).to_be_visible()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"expires_at": timezone.now() - timedelta(minutes=1)}, "Ask somebody at Acme to send it again."),
        ({"revoked_at": timezone.now()}, "Ask somebody at Acme for a new one."),
        ({"accepted_at": timezone.now()}, "Sign in to open the company."),
        ({"digest": b"of a newer link"}, "it was replaced by a newer one, or cut"),
    ],
    ids=["expired", "revoked", "used", "replaced"],
)
def test_a_closed_invitation_says_why_and_what_to_do(opened, owner, tenant, state, words):
    invitation = invite(tenant, GRACE, Role.VIEWER, by=owner)
    with scope(tenant.pk):
        Invitation.objects.filter(pk=invitation.pk).update(**state)
    guest = opened()
    open_link_of_mail(guest, "invites you to Acme")
    expect(guest.get_by_role("heading", name="This invitation is closed")).to_be_visible()
    expect(guest.get_by_text(words)).to_be_visible()
    guest.get_by_role("link", name="Sign in").click()
    expect(guest.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_invitation_is_not_for_another_account_until_it_confirms_the_address(opened, owner, tenant, stranger):
    invite(tenant, GRACE, Role.VIEWER, by=owner)
    page = opened()
    fill_sign_in(page, stranger.email)
    open_link_of_mail(page, "invites you to Acme")
    expect(
        page.get_by_text(f"You are signed in as {stranger.email}, and this invitation is for {GRACE}.")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Accept")).to_have_count(0)
    page.get_by_role("link", name=f"add and confirm {GRACE}").click()
    page.get_by_role("textbox", name="Email").fill(GRACE)
    confirm_added_address(page)
    page.goto("/invitation/")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Welcome to Acme.")).to_be_visible()
    assert Membership.objects.get(tenant=tenant, user=stranger).role == Role.VIEWER


# Members


def test_a_new_role_holds_at_the_next_click(opened, owner, viewer):
    theirs = opened(viewer)
    theirs.goto("/t/acme/members/")
    expect(theirs.get_by_role("link", name="Invite people")).to_have_count(0)
    desk = opened(owner)
    desk.goto("/t/acme/members/")
    desk.get_by_role("link", name=f"Change {viewer.email}").click()
    desk.get_by_role("combobox", name="Role").select_option(label="Admin")
    desk.get_by_role("button", name="Save role").click()
    expect(desk.get_by_text(f"{viewer.email} is admin now.")).to_be_visible()
    theirs.reload()
    expect(theirs.get_by_role("link", name="Invite people")).to_be_visible()
    theirs.goto("/mailbox/")
    expect(theirs.get_by_role("link", name="You are admin of Acme now")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_role_given_on_an_old_page_is_shown_what_it_is_by_now(opened, owner, admin, viewer, script):
    desk, theirs = opened(owner, script=script), opened(admin, script=script)
    for page in (desk, theirs):
        page.goto(f"/t/acme/members/{viewer.pk}/")
    desk.get_by_role("combobox", name="Role").select_option(label="Admin")
    desk.get_by_role("button", name="Save role").click()
    expect(desk.get_by_text(f"{viewer.email} is admin now.")).to_be_visible()
    theirs.get_by_role("button", name="Save role").click()
    expect(theirs.get_by_role("alert")).to_contain_text(f"{viewer.email} is admin now.")
    assert viewer.memberships.get().role == Role.ADMIN
    expect(theirs.get_by_role("combobox", name="Role")).to_have_value("viewer")
    theirs.get_by_role("button", name="Save role").click()
    expect(theirs.get_by_text(f"{viewer.email} is viewer now.")).to_be_visible()
    assert viewer.memberships.get().role == Role.VIEWER


def test_a_page_that_somebody_removed_left_open_changes_nothing_and_says_so(opened, owner, admin):
    theirs = opened(admin)
    theirs.goto("/t/acme/settings/")
    desk = opened(owner)
    desk.goto("/t/acme/members/")
    desk.get_by_role("link", name=f"Change {admin.email}").click()
    desk.get_by_role("link", name="Remove").click()
    desk.get_by_role("button", name="Remove").click()
    expect(desk.get_by_text(f"{admin.email} is no longer a member.")).to_be_visible()
    theirs.get_by_role("textbox", name="Name").fill("Mine now")
    theirs.get_by_role("button", name="Save name").click()
    expect(theirs.get_by_role("heading", name="There is no such page for you")).to_be_visible()
    assert Tenant.objects.get(slug="acme").name == "Acme"
    theirs.get_by_role("link", name="Go to your company").click()
    expect(theirs.get_by_role("heading", name="Name your company")).to_be_visible()


def test_ownership_is_handed_over_and_both_are_told(opened, owner, admin):
    desk = opened(owner)
    desk.goto("/t/acme/members/")
    desk.get_by_role("link", name=f"Change {admin.email}").click()
    desk.get_by_role("link", name="Transfer ownership").click()
    desk.get_by_role("button", name="Transfer ownership").click()
    expect(desk.get_by_text(f"{admin.email} is an owner now, and you are an admin.")).to_be_visible()
    expect(desk.get_by_role("row", name=admin.email)).to_contain_text("Owner")
    expect(desk.get_by_role("row", name=owner.email)).to_contain_text("Admin")
    desk.goto("/mailbox/?all")
    expect(desk.get_by_role("link", name=f"{admin.email} is the owner of Acme now")).to_have_count(2)


def test_the_last_owner_stays_and_others_leave(opened, owner, viewer):
    desk = opened(owner)
    leave(desk)
    expect(desk.get_by_text("A company keeps at least one owner. Make somebody else an owner first.")).to_be_visible()
    theirs = opened(viewer)
    leave(theirs)
    expect(theirs.get_by_text("You have left Acme.")).to_be_visible()
    theirs.goto("/t/acme/")
    expect(theirs.get_by_role("heading", name="There is no such page for you")).to_be_visible()
    assert [member.user for member in Membership.objects.all()] == [owner]


def leave(page: Page) -> None:
    page.goto("/t/acme/members/")
    page.get_by_role("link", name="Leave this company").click()
    page.get_by_role("button", name="Leave").click()


# Accounts


def test_sessions_are_listed_and_the_others_ended(opened, owner):
    desk, phone = opened(), opened()
    fill_sign_in(desk, owner.email)
    fill_sign_in(phone, owner.email)
    desk.goto("/accounts/sessions/")
    expect(desk.locator(".sessions li")).to_have_count(2)
    expect(desk.locator(".sessions li", has_text="This one")).to_have_count(1)
    desk.get_by_role("button", name="Sign out all others").click()
    expect(desk.locator(".sessions li")).to_have_count(1)
    phone.goto("/t/acme/")
    expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()


def confirm_added_address(page: Page) -> None:
    """What follows on typing Grace's address on the page of one's addresses."""
    page.get_by_role("button", name="Add address").click()
    type_password_again(page)
    expect(page.get_by_text(GRACE).first).to_be_visible()
    open_link_of_mail(page, "Confirm your email address")
    page.get_by_role("button", name="Confirm").click()


def type_password_again(page: Page) -> None:
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def set_up_two_factor(page: Page) -> str:
    """From the password on, which it asks for; gives the key."""
    type_password_again(page)
    key = page.locator("p", has_text="Key:").locator(".mono").inner_text()
    page.get_by_label("Authenticator code").fill(one_time_code(key))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return key


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_two_factor_is_set_up_asked_for_and_a_lost_phone_is_survived(opened, owner, script):
    page = opened(script=script)
    fill_sign_in(page, owner.email)
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Set it up").click()
    key = set_up_two_factor(page)
    codes = page.locator(".codes li").all_inner_texts()
    assert len(codes) == 10
    sign_out(page)

    fill_sign_in(page, owner.email)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Incorrect code.")).to_be_visible()
    page.get_by_label("Code").fill(one_time_code(key, steps=1))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/t/acme/$"))
    sign_out(page)

    fill_sign_in(page, owner.email)
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/t/acme/$"))
    page.goto("/accounts/2fa/")
    expect(page.get_by_text("9 of 10 are unused.")).to_be_visible()
    page.get_by_role("link", name="Turn off").click()
    type_password_again(page)
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("Your password alone opens your account.")).to_be_visible()


def test_staff_are_led_to_set_up_two_factor_before_the_admin(opened, staff):
    page = opened()
    page.goto("/admin/")
    page.get_by_label("Email").fill(staff.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(
        page.get_by_text("The staff admin opens for accounts with two-factor sign-in. Set it up now.")
    ).to_be_visible()
    set_up_two_factor(page)
    page.goto("/admin/")
    expect(page).to_have_title(re.compile("Headwater"))
    expect(page.get_by_role("link", name="Tenants").first).to_be_visible()


def test_guessing_passwords_is_stopped_and_says_for_how_long(opened, owner, live_server):
    page = opened()
    for _ in range(6):
        fill_sign_in(page, owner.email, "a guess")
    expect(page.get_by_text("Too many failed login attempts. Try again later.")).to_be_visible()
    robot = Client()
    for _ in range(30):
        robot.post("/accounts/login/", {"login": "somebody@acme.test", "password": "a guess"})
    fill_sign_in(page, owner.email)
    expect(page.get_by_role("heading", name="Too many tries in a short time")).to_be_visible()
    expect(page.get_by_text("Wait a few minutes, then try again.")).to_be_visible()


def test_a_forgotten_password_is_set_anew_by_mail(opened, owner):
    page = opened()
    page.goto("/accounts/login/")
    page.get_by_role("link", name=re.compile("Forgot")).click()
    page.get_by_label("Email").fill(owner.email)
    page.get_by_role("button").last.click()
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    open_link_of_mail(page, "Set a new password")
    page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    page.get_by_label("New password (again)").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Set password").click()
    fill_sign_in(page, owner.email, NEW_PASSWORD)
    expect(page).to_have_url(re.compile("/t/acme/$"))


def test_an_address_is_changed_by_adding_confirming_and_making_it_primary(opened, owner):
    page = opened()
    fill_sign_in(page, owner.email)
    page.goto("/accounts/email/")
    page.get_by_label("Email").fill(GRACE)
    confirm_added_address(page)
    page.goto("/accounts/email/")
    page.get_by_label(GRACE).check()
    page.get_by_role("button", name="Make primary").click()
    page.goto("/accounts/email/")
    page.get_by_label("owner@acme.test").check()
    page.get_by_role("button", name="Remove").click()
    sign_out(page)
    fill_sign_in(page, GRACE)
    expect(page).to_have_url(re.compile("/t/acme/$"))
    assert User.objects.get(pk=owner.pk).email == GRACE
