"""Old pages, mistyped codes, two people at once, sessions that have ended: a clear answer, and nothing lost."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from delivery import shadow
from delivery.outbox import capture
from integrations.confirming import newest_test, send_test
from integrations.deletion import delete_source
from integrations.errors import SourceStateError
from integrations.models import ConnectionTest, Source
from integrations.secrets import Secret
from integrations.services import disconnect_source, enter_shadow, pause_source, replace_write_key
from integrations.spec.calls import track
from tenants.models import AuditEntry
from tenants.signed_out import LOST
from tests.conftest import OTHER_WRITE_KEY, PASSWORD, WRITE_KEY
from tests.integrations.test_views import said, text

pytestmark = pytest.mark.usefixtures("everything")

FORMS = {
    "integrations:rename": {"name": "New"},
    "integrations:replace_key": {"write_key": OTHER_WRITE_KEY},
    "integrations:change_region": {"region": "eu"},
    "integrations:check": {"code": "ABC234"},
    "integrations:send_test": {},
    "integrations:pause": {},
    "integrations:resume": {},
    "integrations:disconnect": {},
    "integrations:reconnect": {"write_key": OTHER_WRITE_KEY, "region": "eu"},
    "integrations:delete": {"name": "Main"},
    "delivery:what_is_sent": {"identity": "user_id"},
    "delivery:enter_shadow": {},
    "delivery:go_live": {"catch_up": "all"},
    "delivery:resend_given_up": {},
}
PAGES = [
    "integrations:source",
    "integrations:not_showing",
    "delivery:delivery",
    "delivery:refusals",
    "delivery:attempts",
    "delivery:state",
]


def address(name: str, source: Source, tenant: str = "acme") -> str:
    return reverse(name, args=[tenant, source.pk])


@pytest.fixture
def gone(source, owner):
    """The source as somebody still has it on the screen."""
    left = Source.objects.get()
    delete_source(source, "Main", by=owner)
    return left


@pytest.mark.parametrize("name", FORMS)
def test_a_form_of_a_source_that_was_deleted_says_so_and_how_to_go_on(owner_client, gone, owner, name):
    response = owner_client.post(address(name, gone), FORMS[name])

    page = text(response)
    assert response.status_code == 404
    assert "Main was deleted" in page
    assert f"{owner.email} deleted this source" in page
    assert "Nothing was saved" in page
    assert f'href="{reverse("integrations:segment", args=["acme"])}">All sources' in page
    assert [entry.deed for entry in AuditEntry.objects.all()] == ["deleted the source"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_a_source_that_was_deleted_says_so(viewer_client, gone, name):
    response = viewer_client.get(address(name, gone))
    assert response.status_code == 404
    assert "Main was deleted" in text(response)
    assert "Nothing was saved" not in text(response)
    assert reverse("integrations:connect", args=["acme"]) not in text(response)


def test_a_live_part_of_a_page_that_is_gone_has_the_whole_page_loaded_anew(viewer_client, gone):
    assert viewer_client.get(address("delivery:state", gone), headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_a_source_of_another_company_is_one_that_never_was(owner_client, other_source, stranger):
    page = text(owner_client.get(address("integrations:source", other_source)))
    assert "There is no such source" in page
    assert "Main was" not in page
    delete_source(Source.objects.get(pk=other_source.pk), "Main", by=stranger)
    assert "There is no such source" in text(owner_client.get(address("integrations:source", other_source)))


def test_whoever_is_no_member_learns_nothing_of_what_was_deleted(stranger_client, gone):
    assert "Main" not in text(stranger_client.get(address("integrations:source", gone)))


def test_an_event_that_is_not_there_is_no_source_that_is_gone(viewer_client, source):
    response = viewer_client.get(reverse("delivery:refusal", args=["acme", source.pk, 1]))
    assert response.status_code == 404
    assert "There is no such source" not in text(response)


def test_a_source_that_is_deleted_at_the_last_moment_is_not_switched_on(gone, owner):
    with pytest.raises(SourceStateError, match="no longer exists"):
        shadow.switch_on(gone, timezone.now(), by=owner)


# Codes.


def code_of(source: Source) -> str:
    test = newest_test(source)
    assert test is not None
    return test.code


@pytest.mark.parametrize(
    "typed", ["{}", "  {}\t", "{lower}", "{first} {rest}", "{first}-{rest}", "\N{NO-BREAK SPACE}{}"]
)
def test_a_code_is_taken_however_it_was_copied(admin_client, source, typed):
    send_test(source)
    code = code_of(source)
    data = {"code": typed.format(code, lower=code.lower(), first=code[:3], rest=code[3:])}
    assert "is confirmed" in said(admin_client.post(address("integrations:check", source), data, follow=True))[0]


def test_the_code_of_another_source_confirms_nothing(admin_client, source, other_source):
    send_test(source)
    send_test(other_source)
    page = text(admin_client.post(address("integrations:check", source), {"code": code_of(other_source)}))
    assert "not the code of the newest test event" in page
    assert not Source.objects.filter(confirmed_version__gt=0).exists()


def test_the_code_of_the_old_key_asks_for_a_new_test(admin_client, source):
    send_test(source)
    old = code_of(source)
    replace_write_key(source, Secret(OTHER_WRITE_KEY))
    assert "Send one first" in text(admin_client.post(address("integrations:check", source), {"code": old}))
    send_test(source)
    page = text(admin_client.post(address("integrations:check", source), {"code": old}))
    assert "not the code of the newest test event" in page
    assert "4 tries left" in page
    assert not Source.objects.get().is_confirmed


@pytest.mark.parametrize("typed", ["ABCDEFG", "ÄÖÜ234", "😀", "test_code", "A" * 20])
def test_what_is_no_code_is_a_wrong_one(admin_client, source, typed):
    send_test(source)
    response = admin_client.post(address("integrations:check", source), {"code": typed})
    assert response.status_code == 200
    assert "not the code of the newest test event" in text(response)


@pytest.mark.parametrize(("typed", "told"), [("A" * 21, "at most 20 characters"), ("AB\0", "Null characters")])
def test_what_cannot_be_a_code_costs_no_try(admin_client, source, typed, told):
    send_test(source)
    assert told in text(admin_client.post(address("integrations:check", source), {"code": typed}))
    assert ConnectionTest.objects.get().wrong_codes == 0


# Two people. The first has saved while the second still has the form open.


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(seen|once|offered)" value="([^"]*)"', page))


CONFLICTS = {
    "integrations:rename": {"name": "Theirs"},
    "integrations:replace_key": {"write_key": OTHER_WRITE_KEY},
    "integrations:change_region": {"region": "eu"},
    "delivery:what_is_sent": {"identity": "tool_id"},
}
MINE = {
    "integrations:rename": {"name": "Mine"},
    "integrations:replace_key": {"write_key": WRITE_KEY},
    "integrations:change_region": {"region": "us"},
    "delivery:what_is_sent": {"identity": "email_hash"},
}


def test_the_second_of_two_who_replace_the_key_is_told_to_paste_it_again(admin_client, owner_client, source):
    opened = hidden(text(admin_client.get(address("integrations:replace_key", source))))
    owner_client.post(address("integrations:replace_key", source), {"write_key": OTHER_WRITE_KEY})
    response = admin_client.post(address("integrations:replace_key", source), opened | {"write_key": WRITE_KEY[::-1]})
    assert response.status_code == 409
    assert "paste it again" in text(response)


@pytest.mark.parametrize("name", MINE)
def test_the_second_of_two_people_is_shown_what_the_first_did(admin_client, owner_client, source, name):
    opened = hidden(text(admin_client.get(address(name, source))))
    theirs = hidden(text(owner_client.get(address(name, source))))
    owner_client.post(address(name, source), theirs | CONFLICTS[name])
    before = list(Source.objects.values())

    response = admin_client.post(address(name, source), opened | MINE[name])

    assert response.status_code == 409
    assert "Somebody changed this source" in text(response)
    assert list(Source.objects.values()) == before


def test_the_second_of_two_who_reconnect_is_shown_what_the_first_did(admin_client, owner_client, source):
    disconnect_source(source)
    opened = hidden(text(admin_client.get(address("integrations:reconnect", source))))
    owner_client.post(address("integrations:reconnect", source), {"write_key": OTHER_WRITE_KEY, "region": "eu"})

    mine = opened | {"write_key": WRITE_KEY, "region": "us"}
    response = admin_client.post(address("integrations:reconnect", source), mine)

    assert response.status_code == 409
    assert "a key that ends in 2345" not in text(response)
    assert "a key that ends in 3210" in text(response)
    assert "paste it again" in text(response)


def test_two_who_press_the_same_button_are_told_the_same(admin_client, owner_client, source):
    for name, done in {
        "integrations:pause": "is paused",
        "delivery:enter_shadow": "is in shadow",
        "integrations:disconnect": "is disconnected",
    }.items():
        for client in (owner_client, admin_client):
            assert done in said(client.post(address(name, source), follow=True))[0]
    assert AuditEntry.objects.count() == 3


def test_the_second_of_two_who_switch_on_is_told_that_it_is_done(admin_client, owner_client, source):
    enter_shadow(source)
    capture(source.tenant_id, track(event="Order Completed", user_id="u-1"), sources=[source], strict=True)
    owner_client.post(address("delivery:go_live", source), {"catch_up": "all"})
    response = admin_client.post(address("delivery:go_live", source), {"catch_up": "nothing"}, follow=True)
    assert said(response) == ["“Main” is connected, and not in shadow. Nothing was changed."]


def test_the_second_of_two_who_confirm_is_told_the_same(admin_client, owner_client, source):
    send_test(source)
    for client in (owner_client, admin_client):
        response = client.post(address("integrations:check", source), {"code": code_of(source)}, follow=True)
        assert "is confirmed" in said(response)[0]
    assert AuditEntry.objects.count() == 1


def test_a_button_that_the_other_one_took_away_says_why_nothing_happens(admin_client, owner_client, source):
    pause_source(source)
    owner_client.post(address("integrations:disconnect", source))
    response = admin_client.post(address("integrations:resume", source), follow=True)
    assert said(response) == ["“Main” is not paused: it is disconnected. Nothing was changed."]


# Sessions that have ended meanwhile.


@pytest.mark.parametrize("name", FORMS)
def test_a_form_sent_after_the_session_has_ended_is_said_to_be_lost(client, admin, source, name):
    page = address("integrations:source", source)
    before = list(Source.objects.values())

    response = client.post(address(name, source), FORMS[name], headers={"Referer": f"http://testserver{page}"})

    assert response["Location"] == f"/accounts/login/?next={page}"
    assert LOST in text(client.get(response["Location"]))
    assert list(Source.objects.values()) == before
    login = {"login": admin.email, "password": PASSWORD, "next": page}
    back = client.post("/accounts/login/", login, follow=True)
    assert back.redirect_chain[-1][0] == page
    assert back.status_code == 200


@pytest.mark.parametrize("referer", [None, "https://elsewhere.test/t/acme/", "javascript:alert(1)"])
def test_a_page_of_another_site_is_not_led_back_to(client, source, referer):
    where = address("integrations:rename", source)
    headers = {"Referer": referer} if referer else {}
    assert client.post(where, {"name": "New"}, headers=headers)["Location"] == f"/accounts/login/?next={where}"


def test_a_page_that_is_only_looked_at_says_nothing_of_a_form(client, source):
    response = client.get(address("integrations:rename", source))
    assert LOST not in text(client.get(response["Location"]))


def test_a_write_key_of_a_session_that_has_ended_is_in_no_answer(client, source):
    response = client.post(address("integrations:replace_key", source), {"write_key": OTHER_WRITE_KEY})
    assert OTHER_WRITE_KEY not in response["Location"] + text(client.get(response["Location"]))
