import logging

import pytest
from django.urls import reverse
from django.views.debug import ExceptionReporter

from integrations.enums import SourceState
from integrations.models import Source, WriteKey
from integrations.services import disconnect_source, enter_shadow, pause_source
from integrations.signals import source_changed
from tenants.models import AuditEntry
from tenants.scoping import scope
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY, make_source

pytestmark = pytest.mark.usefixtures("everything")

PAGES_OF_A_SOURCE = ["source", "replace_key", "change_region", "rename", "disconnect", "reconnect"]
ACTIONS = {
    "replace_key": {"write_key": OTHER_WRITE_KEY},
    "change_region": {"region": "eu"},
    "rename": {"name": "Renamed"},
    "pause": {},
    "disconnect": {},
}
CONNECTION = {"name": "Production", "write_key": OTHER_WRITE_KEY, "region": "eu"}


def url(name: str, source: Source | None = None, tenant: str = "acme") -> str:
    return reverse(f"integrations:{name}", args=[tenant, source.pk] if source else [tenant])


def snapshot() -> list[object]:
    keys = [(row.pk, bytes(row.ciphertext)) for row in WriteKey.objects.order_by("pk")]
    return [*Source.objects.order_by("pk").values(), *keys]


def said(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def text(response):
    return response.content.decode()


def test_index_shows_whether_segment_is_connected(owner_client, tenant):
    assert "Not connected" in text(owner_client.get(url("index")))

    make_source(tenant, WRITE_KEY, name="Production")

    page = text(owner_client.get(url("index")))
    assert "Not connected" not in page
    assert "Production" in page


@pytest.mark.parametrize("name", ["index", "segment"])
def test_lists_tell_which_source_is_confirmed(viewer_client, source, name):
    page = text(viewer_client.get(url(name)))
    assert ("Unverified" in page, "Confirmed" in page) == (True, False)

    Source.objects.update(confirmed_version=source.version)
    page = text(viewer_client.get(url(name)))
    assert ("Unverified" in page, "Confirmed" in page) == (False, True)


def test_source_is_found_by_a_part_of_its_name(viewer_client, source):
    make_source(source.tenant, OTHER_WRITE_KEY, name="Web shop")
    page = text(viewer_client.get(url("segment"), {"q": "SHOP"}))
    assert ("Web shop" in page, ">Main<" in page) == (True, False)
    assert "No source's name has “nothing” in it." in text(viewer_client.get(url("segment"), {"q": "nothing"}))


def test_segment_page_without_sources_invites_those_who_may(owner_client, viewer_client):
    assert url("connect") in text(owner_client.get(url("segment")))

    for_viewer = text(viewer_client.get(url("segment")))
    assert url("connect") not in for_viewer
    assert "An owner or admin of Acme can connect one." in for_viewer


@pytest.mark.parametrize("count", [1, 3])
def test_segment_page_costs_the_same_queries_for_any_number(viewer_client, tenant, count, django_assert_num_queries):
    for number in range(count):
        make_source(tenant, WRITE_KEY, name=f"Source {number}")

    # Session, user, membership with tenant, sources counted and shown, their lanes, and the tenants to switch to.
    with django_assert_num_queries(7):
        page = text(viewer_client.get(url("segment")))

    assert page.count("••••2345") == count


def test_source_page_shows_last_four_and_fingerprint_only(owner_client, source):
    page = text(owner_client.get(url("source", source)))

    assert "••••2345" in page
    assert WriteKey.objects.get().fingerprint in page
    assert WRITE_KEY not in page
    assert WRITE_KEY[:8] not in page


def test_source_page_offers_actions_to_those_who_may(owner_client, admin_client, viewer_client, source):
    for client in (owner_client, admin_client):
        page = text(client.get(url("source", source)))
        assert all(url(action, source) in page for action in ACTIONS)

    page = text(viewer_client.get(url("source", source)))
    assert not any(url(action, source) in page for action in ACTIONS)
    assert "captured and sent" in page


def test_source_page_of_each_state(owner_client, source):
    pause_source(source)
    page = text(owner_client.get(url("source", source)))
    assert "Nothing is sent until you resume" in page
    assert url("resume", source) in page

    disconnect_source(source)
    page = text(owner_client.get(url("source", source)))
    assert "Nothing is captured and nothing is sent" in page
    assert "erased" in page
    assert url("reconnect", source) in page
    assert not any(url(action, source) in page for action in ("pause", "resume", "replace_key", "disconnect"))


def test_connect_saves_and_shows_the_source(admin_client, tenant):
    response = admin_client.post(url("connect"), CONNECTION, follow=True)

    with scope(tenant.pk):
        source = Source.objects.get()
    assert response.redirect_chain == [(url("check", source), 302)]
    assert (source.name, source.region, source.state) == ("Production", "eu", "connected")
    assert source.write_key.unseal().reveal() == OTHER_WRITE_KEY
    assert said(response) == ["“Production” is connected. From now on events are sent to it."]


def test_a_form_to_connect_that_comes_back_tells_which_events_are_off(admin_client, tenant):
    page = text(admin_client.get(url("connect")))
    assert ("Events: all 6 are sent." in page, '<details class="disclosure" open>' in page) == (True, False)

    offered = ["Email Opened", "Email Bounced"]
    page = text(admin_client.post(url("connect"), CONNECTION | {"region": "", "offered": offered}))
    assert ("Events: 4 of 6 are sent." in page, '<details class="disclosure" open>' in page) == (True, True)


def test_connect_in_shadow_sends_nothing_and_says_how_to_go_on(admin_client, tenant):
    response = admin_client.post(url("connect"), CONNECTION | {"in_shadow": "on"}, follow=True)

    made = Source.objects.get()
    assert response.redirect_chain == [(url("source", made), 302)]
    assert (made.state, made.shadow_since is None) == ("shadow", False)
    assert "nothing is sent until you switch it on" in said(response)[0]
    assert reverse("delivery:go_live", args=["acme", made.pk]) in text(response)
    assert AuditEntry.objects.get().deed == "connected in shadow"


@pytest.mark.parametrize(("chosen", "state"), [({}, "connected"), ({"in_shadow": "on"}, "shadow")])
def test_reconnect_asks_whether_to_start_in_shadow(admin_client, source, chosen, state):
    disconnect_source(source)
    assert 'name="in_shadow"' in text(admin_client.get(url("reconnect", source)))

    response = admin_client.post(url("reconnect", source), CONNECTION | chosen, follow=True)

    assert Source.objects.get().state == state
    assert ("in shadow" in said(response)[0]) is (state == "shadow")


def test_reconnect_of_a_source_that_was_in_shadow_does_not_ask(admin_client, source):
    enter_shadow(source)
    disconnect_source(source)
    page = text(admin_client.get(url("reconnect", source)))
    assert "was in shadow, and is so again" in page
    assert 'name="in_shadow"' not in page

    admin_client.post(url("reconnect", source), CONNECTION)

    assert Source.objects.get().state == SourceState.SHADOW


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "Give the source a name."),
        ({"name": "n" * 101}, "at most 100 characters"),
        ({"name": "Main"}, "There is a source named “Main” already. Choose another name."),
        ({"write_key": ""}, "Paste the write key of your Segment source."),
        ({"write_key": OTHER_WRITE_KEY + ":"}, "A write key has no colon in it."),
        ({"write_key": OTHER_WRITE_KEY + " " + OTHER_WRITE_KEY}, "no spaces or line breaks"),
        ({"write_key": OTHER_WRITE_KEY + "\x00"}, "Null characters are not allowed."),
        ({"write_key": OTHER_WRITE_KEY + "x"}, "usually have 32 characters; this one has 33."),
        ({"write_key": WRITE_KEY, "region": "us"}, "“Main” sends with this write key already"),
        ({"region": ""}, "Choose the region of your Segment workspace."),
        ({"region": "mars"}, "Segment has two regions: choose United States or Europe."),
    ],
)
def test_connect_refuses_with_a_message_and_forgets_the_key(owner_client, source, wrong, message):
    before = snapshot()

    response = owner_client.post(url("connect"), CONNECTION | wrong)

    page = text(response).replace("&#x27;", "'")
    assert response.status_code == 200
    assert message in page
    assert "not kept on this page" in page
    assert OTHER_WRITE_KEY not in page
    assert WRITE_KEY not in page
    assert snapshot() == before


def test_connect_takes_an_odd_key_that_the_customer_has_checked(owner_client, tenant):
    odd = {**CONNECTION, "write_key": "short-key"}
    assert "accept_odd_key" not in text(owner_client.get(url("connect")))
    assert "accept_odd_key" in text(owner_client.post(url("connect"), odd))

    owner_client.post(url("connect"), odd | {"accept_odd_key": "on"})

    assert Source.objects.get().write_key.unseal().reveal() == "short-key"


def test_connect_does_not_take_an_impossible_key_that_the_customer_has_checked(owner_client, tenant):
    owner_client.post(url("connect"), {**CONNECTION, "write_key": "a b", "accept_odd_key": "on"})

    assert not Source.objects.exists()


@pytest.mark.parametrize("form", ["connect", "replace_key", "reconnect"])
def test_write_key_field_is_never_filled_in(owner_client, source, form):
    field = text(owner_client.get(url(form, None if form == "connect" else source))).partition('name="write_key"')[2]

    tag = field.partition(">")[0]
    assert 'autocomplete="off"' in tag
    assert "value=" not in tag


def test_replace_key_takes_the_same_key_again(owner_client, source):
    owner_client.post(url("replace_key", source), {"write_key": WRITE_KEY})

    assert Source.objects.get().version == 2


def test_actions_change_what_they_say(owner_client, source):
    owner_client.post(url("replace_key", source), {"write_key": OTHER_WRITE_KEY})
    owner_client.post(url("change_region", source), {"region": "eu"})
    owner_client.post(url("rename", source), {"name": "Renamed"})
    owner_client.post(url("pause", source))

    changed = Source.objects.get()
    assert (changed.name, changed.region, changed.state, changed.version) == ("Renamed", "eu", "paused", 3)
    assert changed.write_key.unseal().reveal() == OTHER_WRITE_KEY

    owner_client.post(url("resume", source))
    assert Source.objects.get().state == SourceState.CONNECTED


def test_disconnect_tells_the_consequences_and_then_does_it(owner_client, source):
    page = text(owner_client.get(url("disconnect", source)))
    assert "erased from our database" in page
    assert Source.objects.get().state == SourceState.CONNECTED

    response = owner_client.post(url("disconnect", source), follow=True)

    assert said(response) == ["“Main” is disconnected and its write key is erased."]
    assert Source.objects.get().state == SourceState.DISCONNECTED
    assert not WriteKey.objects.exists()


def test_reconnect_needs_a_key_and_a_region(owner_client, source):
    disconnect_source(source)

    owner_client.post(url("reconnect", source), {"write_key": OTHER_WRITE_KEY})
    assert Source.objects.get().state == SourceState.DISCONNECTED

    owner_client.post(url("reconnect", source), {"write_key": OTHER_WRITE_KEY, "region": "eu"})
    connected = Source.objects.get()
    assert (connected.state, connected.region, connected.version) == ("connected", "eu", 2)


def test_rename_to_a_taken_name_says_so(owner_client, tenant, source):
    make_source(tenant, OTHER_WRITE_KEY, name="Second")

    assert "There is a source named “Second” already" in text(
        owner_client.post(url("rename", source), {"name": "Second"})
    )


@pytest.mark.parametrize(("action", "data"), ACTIONS.items())
def test_action_that_comes_too_late_says_so_and_changes_nothing(owner_client, source, action, data):
    disconnect_source(source)
    if action == "rename":
        data = {"name": ""}
    before = snapshot()

    response = owner_client.post(url(action, source), data, follow=True)

    assert snapshot() == before
    assert action in {"rename", "disconnect"} or "Nothing was changed." in said(response)[0]


@pytest.mark.parametrize("action", [*ACTIONS, "reconnect"])
def test_get_changes_nothing(owner_client, source, action):
    before = snapshot()

    owner_client.get(url(action, source), ACTIONS.get(action, CONNECTION))

    assert snapshot() == before


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_pause_and_resume_refuse_a_get(owner_client, source, action):
    assert owner_client.get(url(action, source)).status_code == 405


@pytest.mark.parametrize(("action", "data"), [*ACTIONS.items(), ("resume", {}), ("reconnect", CONNECTION)])
def test_viewer_gets_403_and_nothing_happens(viewer_client, source, action, data):
    before = snapshot()

    assert viewer_client.post(url(action, source), data).status_code == 403
    assert viewer_client.post(url("connect"), CONNECTION).status_code == 403
    assert snapshot() == before


@pytest.mark.parametrize("action", [*PAGES_OF_A_SOURCE, "pause", "resume"])
def test_stranger_gets_404_and_nothing_happens(stranger_client, source, other_source, action):
    before = snapshot()

    for address in (url(action, source), url(action, source, tenant="other"), url("connect"), url("segment")):
        data = ACTIONS.get(action, CONNECTION)
        if address == url("segment"):
            assert stranger_client.get(address).status_code == 404
            continue
        assert stranger_client.post(address, data).status_code in ({404, 405} if action == "source" else {404})

    assert snapshot() == before


@pytest.mark.parametrize("action", [*PAGES_OF_A_SOURCE, "pause", "resume"])
def test_anonymous_is_sent_to_log_in_and_nothing_happens(client, source, action):
    before = snapshot()

    response = client.post(url(action, source), ACTIONS.get(action, CONNECTION))

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")
    assert snapshot() == before


def failing_receiver(settings):
    def fail(**_):
        raise RuntimeError("the receiver failed")

    source_changed.connect(fail, weak=False, dispatch_uid="failing receiver")
    return "the receiver failed"


def failing_encryption(settings):
    """The innermost frames then have the bare key in a variable."""
    settings.ENCRYPTION_KEYS = []
    return "ENCRYPTION_KEYS is empty"


@pytest.fixture
def reports():
    """The error reports that Django would send or show."""
    reports = []

    class Keep(logging.Handler):
        def emit(self, record):
            reporter = ExceptionReporter(record.request, *record.exc_info)
            reports.extend([reporter.get_traceback_text(), reporter.get_traceback_html()])

    handler = Keep()
    logging.getLogger("django.request").addHandler(handler)
    yield reports
    logging.getLogger("django.request").removeHandler(handler)
    source_changed.disconnect(dispatch_uid="failing receiver")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("fail", [failing_receiver, failing_encryption])
def test_error_report_does_not_show_the_key(owner_client, tenant, settings, reports, debug, fail):
    settings.DEBUG = debug
    owner_client.raise_request_exception = False
    why = fail(settings)

    response = owner_client.post(url("connect"), CONNECTION)

    assert response.status_code == 500
    assert why in reports[0]
    assert not [report for report in [*reports, text(response)] if OTHER_WRITE_KEY in report]
    assert not Source.objects.exists()


def test_nothing_is_logged_of_a_key(owner_client, source, caplog):
    caplog.set_level(logging.DEBUG)

    owner_client.post(url("connect"), CONNECTION)
    owner_client.post(url("connect"), CONNECTION | {"write_key": OTHER_WRITE_KEY + ":"})
    owner_client.post(url("replace_key", source), {"write_key": OTHER_WRITE_KEY})

    assert OTHER_WRITE_KEY not in caplog.text
