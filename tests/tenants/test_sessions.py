"""Where somebody is signed in: the list in words, one of them ended, all others ended, and the history of it."""

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from tenants.models import AuditEntry
from tenants.scoping import scope
from tenants.sessions import described
from tests.conftest import PASSWORD
from tests.emptying import empty_redis

pytestmark = pytest.mark.django_db

SESSIONS = "/accounts/sessions/"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"


@pytest.fixture(autouse=True)
def _no_earlier_tries():
    """The rate limits count in the cache, which outlives a test."""
    empty_redis()


def sign_in(user, user_agent=CHROME):
    client = Client(headers={"user-agent": user_agent})
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client


def is_in(client):
    return client.get("/t/acme/").status_code == 200


def session_of(client):
    return UserSession.objects.get(session_key=client.session.session_key)


def end(session):
    return f"{SESSIONS}{session.pk}/end/"


def deeds(tenant):
    with scope(tenant.pk):
        entries = AuditEntry.objects.exclude(deed="signed in").order_by("pk")
        return list(entries.values_list("by_label", "deed", "subject"))


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (CHROME, "Chrome on Linux"),
        (FIREFOX, "Firefox on Windows"),
        (PHONE, "Safari on iPhone"),
        (f"{CHROME} Edg/130.0", "Edge on Linux"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "Safari on Mac"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 200, "x" * 80),
        ("", "Unknown browser"),
    ],
)
def test_browser_is_told_in_words(user_agent, words):
    assert described(user_agent) == words


def test_sessions_are_listed_in_words_and_the_others_can_be_ended(owner):
    here, phone = sign_in(owner), sign_in(owner, PHONE)
    page = here.get(SESSIONS).content.decode()
    assert 'Chrome on Linux <span class="badge badge--ok">This one</span>' in page
    assert f'href="{end(session_of(phone))}" aria-label="Sign out Safari on iPhone"' in page
    assert end(session_of(here)) not in page


def test_sessions_of_others_are_not_listed(owner, viewer):
    here = sign_in(owner)
    sign_in(viewer, PHONE)
    assert "Safari on iPhone" not in here.get(SESSIONS).content.decode()


def test_one_session_is_ended_after_a_question_and_the_others_stay(tenant, owner):
    here, phone, desk = sign_in(owner), sign_in(owner, PHONE), sign_in(owner, FIREFOX)
    address = end(session_of(phone))
    assert "Sign out Safari on iPhone?" in here.get(address).content.decode()
    assert is_in(phone)
    page = here.post(address, follow=True).content.decode()
    assert "Safari on iPhone is signed out." in page
    assert [is_in(client) for client in (here, phone, desk)] == [True, False, True]
    assert deeds(tenant) == [("owner@acme.test", "signed out another browser:", "Safari on iPhone")]


def test_a_session_that_is_over_cannot_be_ended_again(tenant, owner):
    here, phone = sign_in(owner), sign_in(owner, PHONE)
    address = end(session_of(phone))
    here.post(address)
    assert here.post(address).status_code == 404
    assert len(deeds(tenant)) == 1


def test_a_session_of_somebody_else_or_this_one_is_not_ended_here(tenant, owner, viewer):
    here, theirs = sign_in(owner), sign_in(viewer)
    for session in (session_of(theirs), session_of(here)):
        assert here.post(end(session)).status_code == 404
    assert is_in(here)
    assert is_in(theirs)
    assert deeds(tenant) == []


def test_all_others_are_ended_and_the_history_names_each(tenant, owner, viewer):
    here, phone, desk, theirs = sign_in(owner), sign_in(owner, PHONE), sign_in(owner, FIREFOX), sign_in(viewer)
    here.post(SESSIONS)
    assert [is_in(client) for client in (here, phone, desk, theirs)] == [True, False, False, True]
    assert sorted(subject for _by, _deed, subject in deeds(tenant)) == ["Firefox on Windows", "Safari on iPhone"]
