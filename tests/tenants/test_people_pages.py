"""The pages of members, invitations and the history: who may open them, and what they do."""

import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.core import mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from tenants.audit import note
from tenants.enums import Role
from tenants.invitations import GONE as INVITATION_GONE
from tenants.invitations import PAUSE, accept_invitation, invite, revoke_invitation
from tenants.members import GONE as MEMBER_GONE
from tenants.members import remove_member
from tenants.models import AuditEntry, Membership, User
from tenants.once import TWICE
from tenants.scoping import scope
from tests.conftest import PASSWORD, logged_in, make_user
from tests.tenants.test_once import waiting_for_locks
from tests.tenants.test_views import add_members
from tests.waiting import eventually

ANN = "ann@new.test"
MEMBERS = "/t/acme/members/"
INVITATIONS = "/t/acme/invitations/"
HISTORY = "/t/acme/history/"


def url(name, *args):
    return reverse(f"tenants:{name}", args=["acme", *args])


def table(response):
    page = response.content.decode()
    return page[page.index("<table") : page.index("</table>")]


@pytest.fixture
def invitation(tenant, owner):
    return invite(tenant, ANN, Role.VIEWER, by=owner)


SUBJECTS = {
    "member": "viewer",
    "remove": "viewer",
    "transfer": "viewer",
    "resend": "invitation",
    "revoke": "invitation",
}


@pytest.mark.parametrize(
    ("name", "by_owner", "by_admin", "by_viewer"),
    [
        ("members", 200, 200, 200),
        ("leave", 200, 200, 200),
        ("member", 200, 200, 403),
        ("remove", 200, 200, 403),
        ("transfer", 200, 403, 403),
        ("invitations", 200, 200, 403),
        ("resend", 405, 405, 403),
        ("revoke", 200, 200, 403),
        ("audit", 200, 200, 403),
    ],
)
def test_pages_open_by_role(request, name, by_owner, by_admin, by_viewer):
    subject = [request.getfixturevalue(SUBJECTS[name]).pk] if name in SUBJECTS else []
    if not subject:
        request.getfixturevalue("tenant")
    expected = {"owner": by_owner, "admin": by_admin, "viewer": by_viewer, "stranger": 404, "staff": 404}
    seen = {who: request.getfixturevalue(f"{who}_client").get(url(name, *subject)).status_code for who in expected}
    assert seen == expected
    assert request.getfixturevalue("client").get(url(name, *subject))["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("name", ["member", "remove", "transfer"])
@pytest.mark.parametrize("who", ["viewer", "stranger", "staff"])
def test_members_are_changed_by_nobody_else(request, owner, admin, name, who):
    before = set(Membership.objects.filter(user__in=[owner, admin]).values_list("user", "role"))
    response = request.getfixturevalue(f"{who}_client").post(url(name, admin.pk), {"role": "viewer"})
    assert response.status_code == (403 if who == "viewer" else 404)
    assert set(Membership.objects.filter(user__in=[owner, admin]).values_list("user", "role")) == before


@pytest.mark.parametrize("who", ["viewer", "stranger"])
def test_invitations_are_sent_and_changed_by_nobody_else(request, tenant, invitation, who):
    client = request.getfixturevalue(f"{who}_client")
    for path in (INVITATIONS, url("resend", invitation.pk), url("revoke", invitation.pk)):
        assert client.post(path, {"email": "bob@new.test", "role": "viewer"}).status_code in {403, 404}
    with scope(tenant.pk):
        assert list(tenant.invitations.values_list("email", "sends", "revoked_at")) == [(ANN, 1, None)]


def test_an_invitation_of_another_tenant_is_not_found(owner_client, other_tenant, stranger):
    foreign = invite(other_tenant, ANN, Role.VIEWER, by=stranger)
    for name in ("revoke", "resend"):
        page = owner_client.post(url(name, foreign.pk), follow=True).content.decode()
        assert INVITATION_GONE in page
        assert ANN not in page
    foreign.refresh_from_db(from_queryset=type(foreign)._base_manager.all())  # outside any scope
    assert (foreign.sends, foreign.revoked_at) == (1, None)


def test_a_member_of_another_tenant_is_not_found(owner_client, stranger):
    for name in ("member", "remove", "transfer"):
        page = owner_client.post(url(name, stranger.pk), {"role": "viewer"}, follow=True).content.decode()
        assert MEMBER_GONE in page
        assert stranger.email not in page
    assert stranger.memberships.get().role == "owner"


@pytest.mark.parametrize("name", ["member", "remove"])
def test_an_admin_does_not_change_an_owner(admin_client, owner, name):
    assert admin_client.post(url(name, owner.pk), {"role": "viewer"}).status_code == 403
    assert owner.memberships.get().role == "owner"


def test_an_admin_is_not_offered_the_role_of_owner(admin_client, viewer):
    assert 'value="owner"' not in admin_client.get(url("member", viewer.pk)).content.decode()
    admin_client.post(url("member", viewer.pk), {"role": "owner"})
    assert viewer.memberships.get().role == "viewer"


def test_member_page_changes_a_role(owner_client, viewer):
    response = owner_client.post(url("member", viewer.pk), {"role": "admin"}, follow=True)
    assert "viewer@acme.test is admin now." in response.content.decode()
    assert viewer.memberships.get().role == "admin"


def shown_role(client, user):
    """What a browser sends along of the form of this member's page, besides the role that is chosen."""
    page = client.get(url("member", user.pk)).content.decode()
    return dict(re.findall(r'<input type="hidden" name="(seen|once)" value="([^"]+)"', page))


def test_old_page_of_a_role_undoes_no_change_of_somebody_else(owner_client, admin_client, tenant, owner, viewer):
    old = shown_role(admin_client, viewer)
    owner_client.post(url("member", viewer.pk), {"role": "admin"})
    invite(tenant, ANN, Role.ADMIN, by=viewer)
    answer = admin_client.post(url("member", viewer.pk), old | {"role": "viewer"})
    assert answer.status_code == 409
    assert "viewer@acme.test is admin now." in answer.content.decode()
    assert 'value="viewer" selected' in answer.content.decode()
    with scope(tenant.pk):
        assert (viewer.memberships.get().role, tenant.invitations.get().revoked_at) == ("admin", None)
        assert AuditEntry.objects.filter(deed="changed the role of").count() == 1

    again = dict(re.findall(r'name="(seen)" value="(\w+)"', answer.content.decode()))
    assert admin_client.post(url("member", viewer.pk), again | {"role": "viewer"}).status_code == 302
    assert viewer.memberships.get().role == "viewer"


def test_mistake_in_a_role_hides_no_change_of_somebody_else(owner_client, admin_client, viewer):
    old = shown_role(admin_client, viewer)
    owner_client.post(url("member", viewer.pk), {"role": "admin"})
    mistaken = admin_client.post(url("member", viewer.pk), old | {"role": "king"}).content.decode()
    assert f'name="seen" value="{old["seen"]}"' in mistaken


def test_roles_given_one_after_the_other_from_one_page_are_never_called_done_and_are_not(owner_client, viewer):
    """As a browser's Back button does, which keeps the page as it was."""
    page, path = shown_role(owner_client, viewer), url("member", viewer.pk)
    assert owner_client.post(path, page | {"role": "admin"}).status_code == 302
    conflict = owner_client.post(path, page | {"role": "viewer"})
    assert conflict.status_code == 409
    owner_client.post(path, {"seen": "admin", "role": "viewer"})
    told = owner_client.post(path, page | {"role": "admin"}, follow=True).content.decode()
    assert (viewer.memberships.get().role, TWICE in told) == ("admin", False)


def test_role_that_is_sent_twice_is_given_once(owner_client, tenant, viewer):
    form = shown_role(owner_client, viewer) | {"role": "admin"}
    for _ in range(2):
        told = owner_client.post(url("member", viewer.pk), form, follow=True).content.decode()
        assert "viewer@acme.test is admin now." in told
    with scope(tenant.pk):
        assert AuditEntry.objects.filter(deed="changed the role of").count() == 1


def test_the_last_owner_is_told_why_not(owner_client, owner):
    for name, form in (("member", {"role": "viewer"}), ("leave", {})):
        path = url(name) if name == "leave" else url(name, owner.pk)
        page = owner_client.post(path, form, follow=True).content.decode()
        assert "A company keeps at least one owner." in page
    assert owner.memberships.get().role == "owner"


def test_remove_asks_first_and_ends_access_at_once(owner_client, viewer_client, viewer):
    assert viewer_client.get(MEMBERS).status_code == 200
    assert "Remove viewer@acme.test?" in owner_client.get(url("remove", viewer.pk)).content.decode()
    assert viewer_client.get(MEMBERS).status_code == 200
    owner_client.post(url("remove", viewer.pk))
    assert viewer_client.get(MEMBERS).status_code == 404
    assert viewer_client.get("/")["Location"] == "/new/"


@pytest.mark.parametrize("name", ["member", "remove", "transfer"])
def test_old_page_of_somebody_gone_leads_to_the_list_and_says_so(owner_client, tenant, owner, viewer, name):
    remove_member(tenant, viewer, by=owner)
    for ask in (owner_client.get, owner_client.post):
        response = ask(url(name, viewer.pk), {"role": "admin"}, follow=True)
        assert response.redirect_chain == [(MEMBERS, 302)]
        assert MEMBER_GONE in response.content.decode()


def test_transfer_asks_first_and_swaps(owner_client, owner, viewer):
    page = owner_client.get(url("transfer", viewer.pk)).content.decode()
    assert "Transfer ownership to viewer@acme.test?" in page
    assert "<li>Invitations to become an owner that you have sent and nobody has accepted are revoked.</li>" in page
    assert owner.memberships.get().role == "owner"
    owner_client.post(url("transfer", viewer.pk))
    assert (owner.memberships.get().role, viewer.memberships.get().role) == ("admin", "owner")


def test_leave_asks_first_and_ends_the_membership(viewer_client, owner, viewer):
    assert "Leave Acme?" in viewer_client.get(url("leave")).content.decode()
    assert viewer.memberships.exists()
    assert viewer_client.post(url("leave")).status_code == 302
    assert not viewer.memberships.exists()


def test_members_are_searched_by_address(owner_client, tenant):
    add_members(tenant, 3)
    found = table(owner_client.get(MEMBERS, {"q": "M00001"}))
    assert re.findall(r"m\d+@acme.test</td>", found) == ["m00001@acme.test</td>"]
    page = owner_client.get(MEMBERS, {"q": "nobody"}).content.decode()
    assert "No member's address has “nobody” in it." in page
    assert owner_client.get(MEMBERS, {"q": "a\0b"}).status_code == 200


@pytest.mark.parametrize("path", [MEMBERS, INVITATIONS, "/t/acme/"])
def test_times_are_told_so_that_a_script_can_tell_them_in_the_readers_zone(owner_client, invitation, path):
    """A day alone would be yesterday for a reader in Auckland."""
    assert re.search(r'<time datetime="[^"]+">\d+ \w+ \d{4}, \d\d:\d\d UTC</time>', table(owner_client.get(path)))


def test_members_come_fifty_on_a_page_in_as_many_queries(owner_client, tenant, django_assert_num_queries):
    add_members(tenant, 120)
    # Session, user, membership with tenant, count, members with users, tenants to switch to.
    with django_assert_num_queries(6):
        first = owner_client.get(MEMBERS, {"q": "m"})
    assert table(first).count("<tr>") == 51
    assert 'href="?q=m&amp;page=2"' in first.content.decode()
    assert "Page 3 of 3" in owner_client.get(MEMBERS, {"page": "99"}).content.decode()


def test_invitations_page_invites_and_lists(owner_client, tenant, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = owner_client.post(INVITATIONS, {"email": ANN, "role": "viewer"}, follow=True)
    assert f"{ANN} is invited: the mail is on its way." in response.content.decode()
    assert ANN in table(response)
    assert [message.to for message in mail.outbox] == [[ANN]]


def test_invitations_page_says_that_somebody_is_a_member(owner_client, viewer):
    page = owner_client.post(INVITATIONS, {"email": viewer.email, "role": "viewer"}).content.decode()
    assert "viewer@acme.test is already a member of Acme." in page


@pytest.mark.django_db(transaction=True)
def test_invitations_page_tells_of_a_mail_that_was_not_taken(owner_client, tenant, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    page = owner_client.post(INVITATIONS, {"email": ANN, "role": "viewer"}, follow=True).content.decode()
    assert "the mail server did not take the mail" in page
    assert ANN in page[page.index("<table") :]


@pytest.mark.django_db(transaction=True)
def test_invitations_page_tells_of_an_address_that_the_provider_refuses(
    owner_client, tenant, invitation, refusing_provider
):
    page = owner_client.post(INVITATIONS, {"email": "bob@new.test", "role": "viewer"}, follow=True).content.decode()
    assert "the mail server did not take the mail" in page
    with scope(tenant.pk):
        tenant.invitations.update(sent_at=timezone.now() - PAUSE)
    page = owner_client.post(url("resend", invitation.pk), follow=True).content.decode()
    assert "the mail server did not take the mail" in page


@pytest.mark.django_db(transaction=True)
def test_role_is_changed_when_the_provider_does_not_take_the_mail(owner_client, tenant, viewer, refusing_provider):
    page = owner_client.post(url("member", viewer.pk), {"role": "admin"}, follow=True).content.decode()
    assert "viewer@acme.test is admin now." in page
    assert viewer.memberships.get().role == "admin"


def test_revoke_asks_first(owner_client, tenant, invitation):
    assert f"Revoke the invitation of {ANN}?" in owner_client.get(url("revoke", invitation.pk)).content.decode()
    owner_client.post(url("revoke", invitation.pk))
    assert "No open invitations" in owner_client.get(INVITATIONS).content.decode()


def test_old_page_of_an_invitation_that_was_accepted_leads_to_the_list_and_says_so(owner_client, invitation):
    accept_invitation(invitation, make_user(ANN))
    asked = [owner_client.get(url("revoke", invitation.pk), follow=True)]
    asked += [owner_client.post(url(name, invitation.pk), follow=True) for name in ("revoke", "resend")]
    for response in asked:
        assert response.redirect_chain == [(INVITATIONS, 302)]
        assert INVITATION_GONE in response.content.decode()


def test_resend_is_refused_within_a_minute(owner_client, invitation):
    page = owner_client.post(url("resend", invitation.pk), follow=True).content.decode()
    assert "It was sent less than a minute ago." in page


@pytest.fixture
def link(tenant, owner, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        invite(tenant, ANN, Role.ADMIN, by=owner)
    (path,) = re.findall(r"http://[^/]+(/invitation/\S+)", str(mail.outbox[0].body))
    mail.outbox.clear()
    return path


def test_link_leaves_no_token_in_the_address(client, link):
    response = client.get(link)
    assert response["Location"] == "/invitation/"
    assert "no-store" in response["Cache-Control"]


def test_link_asked_for_by_a_scanner_begins_no_session(client, link):
    assert client.head(link).status_code == 302
    assert not client.cookies
    assert client.post(link).status_code == 405


def test_a_new_user_signs_up_and_accepts(client, tenant, link):
    page = client.get(link, follow=True).content.decode()
    assert "owner@acme.test invites ann@new.test to join Acme as admin." in page
    assert 'href="/accounts/signup/?next=/invitation/"' in page
    form = {"email": ANN, "password1": PASSWORD, "password2": PASSWORD, "next": "/invitation/"}
    response = client.post("/accounts/signup/", form, follow=True)
    assert response.redirect_chain == [("/invitation/", 302)]
    assert mail.outbox == []
    response = client.post("/invitation/", follow=True)
    assert response.redirect_chain == [("/t/acme/", 302)]
    assert User.objects.get(email=ANN).memberships.get().role == "admin"


def test_an_existing_user_signs_in_and_accepts(client, tenant, link):
    user = make_user(ANN)
    client.get(link)
    form = {"login": ANN, "password": PASSWORD, "next": "/invitation/"}
    assert client.post("/accounts/login/", form)["Location"] == "/invitation/"
    client.post("/invitation/")
    assert user.memberships.get().tenant == tenant


def test_who_accepts_twice_comes_to_the_company_both_times(client, tenant, link):
    client.force_login(make_user(ANN))
    client.get(link)
    for _ in range(2):
        assert client.post("/invitation/", follow=True).redirect_chain == [("/t/acme/", 302)]
    assert client.get(link, follow=True).redirect_chain[-1] == ("/t/acme/", 302)


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_accept_once_and_both_come_to_the_company(live_server, tenant, link):
    user = make_user(ANN)
    client = logged_in(user)
    client.get(link)
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/invitation/").content.decode())[-1]
    cookies = {name: cookie.value for name, cookie in client.cookies.items()}

    def accept(_) -> httpx.Response:
        with httpx.Client(base_url=live_server.url, cookies=cookies, follow_redirects=True, timeout=60) as browser:
            return browser.post("/invitation/", data={"csrfmiddlewaretoken": token})

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic(), scope(tenant.pk):
            # Both find it open before either may accept it.
            tenant.invitations.select_for_update().get()
            answers = [pool.submit(accept, each) for each in range(2)]
            assert eventually(waiting_for_locks, lambda count: count == 2) == 2
        pages = [answer.result() for answer in answers]
    assert [(page.status_code, page.url.path) for page in pages] == [(200, "/t/acme/")] * 2
    assert not any("used already" in page.text for page in pages)
    assert user.memberships.count() == 1


def test_somebody_else_is_told_whose_invitation_it_is(stranger_client, stranger, link):
    page = stranger_client.get(link, follow=True).content.decode()
    assert "You are signed in as owner@other.test, and this invitation is for ann@new.test." in page
    page = stranger_client.post("/invitation/", follow=True).content.decode()
    assert "This invitation is for ann@new.test." in page
    assert stranger.memberships.count() == 1


@pytest.mark.parametrize("state", ["revoked", "used", "unknown", "none"])
def test_a_closed_invitation_has_a_clear_page(client, tenant, owner, link, state):
    with scope(tenant.pk):
        invitation = tenant.invitations.get()
    if state == "revoked":
        revoke_invitation(invitation, by=owner)
    if state == "used":
        invited = logged_in(make_user(ANN))
        invited.get(link)
        invited.post("/invitation/")
    sentence = {
        "revoked": "This invitation was withdrawn. Ask somebody at Acme for a new one.",
        "used": "This invitation has been used already. Sign in to open the company.",
        "unknown": "This invitation link does not work",
        "none": "This invitation link does not work",
    }[state]
    path = {"unknown": "/invitation/not-a-token/", "none": "/invitation/"}.get(state, link)
    response = client.get(path, follow=True)
    assert response.status_code == 410
    assert sentence in response.content.decode()


def test_history_shows_who_did_what_newest_first(owner_client, tenant, owner, admin):
    note(tenant.pk, admin, "paused", "Main")
    note(tenant.pk, owner, "renamed the company to", "Acme <b>Ltd</b>", before="Acme")
    shown = table(owner_client.get(HISTORY))
    assert shown.index("renamed the company to") < shown.index("paused")
    assert "Acme &lt;b&gt;Ltd&lt;/b&gt;" in shown
    assert "before: Acme" in shown


def test_history_is_searched_by_person(owner_client, tenant, owner, admin):
    note(tenant.pk, admin, "paused", "Main")
    note(tenant.pk, owner, "resumed", "Main")
    shown = table(owner_client.get(HISTORY, {"person": "ADMIN@"}))
    assert ("paused" in shown, "resumed" in shown) == (True, False)
    assert "Nothing found" in owner_client.get(HISTORY, {"person": "zoe"}).content.decode()


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({"what": "replaced"}, ["Main"]),
        ({"what": "main"}, ["Main", "Main"]),
        ({"what": "replaced", "person": "owner@"}, []),
        ({"what": "PAUSED", "person": "admin@"}, ["Main", "Shop"]),
        ({"what": "%"}, []),
    ],
)
def test_history_is_searched_by_what_was_done_and_to_what(owner_client, tenant, admin, search, found):
    note(tenant.pk, admin, "paused", "Shop")
    note(tenant.pk, admin, "paused", "Main")
    note(tenant.pk, admin, "replaced the write key of", "Main")
    page = owner_client.get(HISTORY, search)
    assert [entry.subject for entry in page.context["page"]] == found
    assert ("Nothing found" in page.content.decode()) is not bool(found)


def test_history_keeps_what_was_searched_for_on_its_other_pages(owner_client, tenant, owner):
    for _ in range(51):
        note(tenant.pk, owner, "paused", "Main")
    assert "what=paused&amp;page=2" in owner_client.get(HISTORY, {"what": "paused"}).content.decode()


def test_history_begins_empty_and_holds_nothing_of_another_tenant(owner_client, tenant, other_tenant, stranger):
    note(other_tenant.pk, stranger, "paused", "Main")
    assert "Nothing yet" in owner_client.get(HISTORY).content.decode()


@pytest.mark.parametrize("entries", [1, 3, 120])
def test_history_takes_as_many_queries_for_more_entries(
    owner_client, tenant, owner, django_assert_num_queries, entries
):
    for _ in range(entries):
        note(tenant.pk, owner, "paused", "Main")
    # Session, user, membership with tenant, count, entries, tenants to switch to.
    with django_assert_num_queries(6):
        response = owner_client.get(HISTORY)
    assert table(response).count("<tr>") == min(entries, 50) + 1


def test_renaming_the_company_is_in_the_history(owner_client, tenant):
    owner_client.post("/t/acme/settings/", {"name": "Acme GmbH"})
    with scope(tenant.pk):
        entry = AuditEntry.objects.get()
    assert (str(entry), entry.details) == ("owner@acme.test renamed the company to Acme GmbH", {"before": "Acme"})
