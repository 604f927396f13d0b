"""All that people do on the pages is in the history by who did it, and none of the secrets that they handle."""

import re
from types import SimpleNamespace

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from integrations.confirming import newest_test
from integrations.models import ApiKey, Source
from tenants.models import AuditEntry, Invitation, User
from tenants.scoping import scope
from tests.conftest import OTHER_WRITE_KEY, PASSWORD, WRITE_KEY
from tests.delivery.test_what_is_sent import form as sent_form
from tests.emptying import empty_redis
from tests.tenants.test_second_factor import code

pytestmark = pytest.mark.django_db(transaction=True)

THIRD_KEY = "tHiRdKeYoFaCmE0123456789AbCdEfGh"
SHARED_SECRET = "swordfish of Acme"
NEW_PASSWORD = "staple under bridge"
ADA = "ada@customer.test"


@pytest.fixture(autouse=True)
def _no_earlier_tries():
    """Rate limits and used codes are in the cache, which outlives a test."""
    empty_redis()


@pytest.fixture
def desk(owner, tenant):
    """A signed-in browser of the owner's, which notes the secrets that it sees."""
    client = Client()
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})

    def post(path, /, **form):
        response = client.post(path, form)
        assert response.status_code in {200, 302}, path
        return response.content.decode()

    return SimpleNamespace(client=client, post=post, secrets=[WRITE_KEY, OTHER_WRITE_KEY, THIRD_KEY, PASSWORD])


def entries(tenant):
    with scope(tenant.pk):
        return list(AuditEntry.objects.order_by("pk").values_list("by_label", "deed", "subject"))


def test_history_of_a_source(desk, tenant, owner):
    desk.post(reverse("integrations:connect", args=["acme"]), name="Main", region="us", write_key=WRITE_KEY)
    with scope(tenant.pk):
        source = Source.objects.get()

    def at(name, /, **form):
        desk.post(reverse(name, args=["acme", source.pk]), **form)

    at("integrations:send_test")
    with scope(tenant.pk):
        test = newest_test(source)
        assert test is not None
    at("integrations:check", code=test.code)
    at("integrations:replace_key", write_key=OTHER_WRITE_KEY)
    at("integrations:change_region", region="eu")
    at("integrations:rename", name="Shop")
    address = reverse("delivery:what_is_sent", args=["acme", source.pk])
    at("delivery:what_is_sent", **(sent_form(desk.client, address) | {"events": ["Email Opened"]}))
    at("integrations:pause")
    at("integrations:resume")
    at("delivery:enter_shadow")
    at("delivery:go_live", catch_up="nothing")
    at("integrations:disconnect")
    at("integrations:reconnect", write_key=THIRD_KEY, region="us")
    at("integrations:delete", name="Shop")
    assert entries(tenant)[1:] == [
        (owner.email, deed, subject)
        for deed, subject in [
            ("connected", "Main"),
            ("sent a test event to", "Main"),
            ("confirmed that events arrive from", "Main"),
            ("replaced the write key of", "Main"),
            ("changed the region of", "Main"),
            ("renamed a connection to", "Shop"),
            ("changed what is sent to", "Shop"),
            ("paused", "Shop"),
            ("resumed", "Shop"),
            ("put in shadow", "Shop"),
            ("switched on", "Shop"),
            ("disconnected", "Shop"),
            ("reconnected", "Shop"),
            ("deleted the source", "Shop"),
        ]
    ]
    assert_no_secret(tenant, desk.secrets)


def test_history_of_keys_alerts_and_privacy(desk, tenant, owner):
    page = desk.post(reverse("integrations:make_api_key", args=["acme"]), name="Inbound", purpose="inbound")
    (key_text,) = set(re.findall(r"hw_in_[\w-]+", page))
    with scope(tenant.pk):
        key = ApiKey.objects.get()
    desk.post(reverse("integrations:shared_secret", args=["acme", key.pk]), shared_secret=SHARED_SECRET)
    desk.post(reverse("integrations:revoke_api_key", args=["acme", key.pk]))
    desk.post("/t/acme/integrations/segment/alerts/limits/", backlog_minutes="45", refused_an_hour="7")
    desk.post("/t/acme/integrations/segment/alerts/", kinds=["held"])
    desk.post("/t/acme/settings/", name="Acme Ltd")
    desk.post("/t/acme/privacy/", field="email", value=ADA, sure="on")
    assert [(who, deed) for who, deed, _subject in entries(tenant)[1:]] == [
        (owner.email, deed)
        for deed in [
            "made the API key",
            "set the shared secret of",
            "revoked the API key",
            "changed the limits of alerts of",
            "chose the alerts of",
            "renamed the company to",
            "asked to erase a person:",
        ]
    ]
    assert_no_secret(tenant, [*desk.secrets, key_text, SHARED_SECRET, ADA])


def test_history_of_people(desk, tenant, owner, admin, viewer):
    desk.post("/t/acme/invitations/", email="ann@acme.test", role="viewer")
    desk.post("/t/acme/invitations/", email="bob@acme.test", role="viewer")
    with scope(tenant.pk):
        for_bob = Invitation.objects.get(email="bob@acme.test")
    desk.post(reverse("tenants:revoke", args=["acme", for_bob.pk]))
    tokens = [re.findall(r"/invitation/([\w-]+)/", str(message.body))[0] for message in mail.outbox]
    ann = accept(tokens[0], "ann@acme.test")
    desk.post(reverse("tenants:member", args=["acme", viewer.pk]), role="admin")
    desk.post(reverse("tenants:remove", args=["acme", viewer.pk]))
    desk.post(reverse("tenants:transfer", args=["acme", admin.pk]))
    ann.post("/t/acme/members/leave/")
    assert entries(tenant)[1:] == [
        (owner.email, "invited", "ann@acme.test"),
        (owner.email, "invited", "bob@acme.test"),
        (owner.email, "revoked the invitation of", "bob@acme.test"),
        ("ann@acme.test", "accepted the invitation to", "Acme"),
        (owner.email, "changed the role of", viewer.email),
        (owner.email, "removed", viewer.email),
        (owner.email, "transferred ownership to", admin.email),
        ("ann@acme.test", "left", "Acme"),
    ]
    assert_no_secret(tenant, [*desk.secrets, *tokens])


def accept(token, email):
    """Signs up by the link and accepts."""
    client = Client()
    client.get(f"/invitation/{token}/")
    client.get("/invitation/")
    form = {"email": email, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post("/accounts/signup/", form)
    client.post("/invitation/")
    return client


def test_history_of_an_account(desk, tenant, owner):
    desk.post("/accounts/reauthenticate/", password=PASSWORD)
    page = desk.client.get("/accounts/2fa/totp/activate/").content.decode()
    (key,) = re.findall(r'Key: <span class="mono">(\w+)</span>', page)
    desk.post("/accounts/2fa/totp/activate/", code=code(key))
    codes = re.findall(r"<li>(\w{8})</li>", desk.client.get("/accounts/2fa/recovery-codes/").content.decode())
    desk.post("/accounts/2fa/recovery-codes/generate/")
    desk.post("/accounts/2fa/totp/deactivate/")
    desk.post("/accounts/password/change/", oldpassword=PASSWORD, password1=NEW_PASSWORD, password2=NEW_PASSWORD)
    desk.post("/accounts/email/", action_add="", email="new@acme.test")
    (link,) = re.findall(r"/accounts/confirm-email/\S+", str(mail.outbox[-1].body))
    desk.post(link)
    desk.post("/accounts/email/", action_primary="", email="new@acme.test")
    assert User.objects.get(pk=owner.pk).email == "new@acme.test"
    deeds = [(deed, subject) for _who, deed, subject in entries(tenant)]
    assert deeds == [
        ("signed in", ""),
        ("set up two-factor sign-in:", "authenticator app"),
        ("set up two-factor sign-in:", "recovery codes"),
        ("made anew for two-factor sign-in:", "recovery codes"),
        ("removed from two-factor sign-in:", "authenticator app"),
        ("removed from two-factor sign-in:", "recovery codes"),
        ("set a new password for", "their account"),
        ("changed their address to", "new@acme.test"),
    ]
    assert len(codes) == 10
    assert_no_secret(tenant, [*desk.secrets, NEW_PASSWORD, key, *codes, link.split("/")[-2]])


def assert_no_secret(tenant, secrets):
    """Not in the table, and not in what a page shows of it."""
    with scope(tenant.pk):
        written = repr(list(AuditEntry.objects.values()))
    assert [secret for secret in secrets if secret in written] == []
