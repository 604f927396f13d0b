import re

import pytest
from django.urls import reverse

from integrations.api_keys import find_api_key, issue_api_key
from integrations.enums import KeyPurpose
from integrations.models import ApiKey
from tenants.scoping import every_tenant

FORM = {"name": "Web shop", "purpose": "ingest"}
ADDRESSES = ["api_keys", "make_api_key", "revoke_api_key"]


@pytest.fixture
def issued(tenant, owner):
    return issue_api_key(tenant, KeyPurpose.INGEST, name="Web shop", by=owner)


def url(name: str, key: ApiKey | None = None, tenant: str = "acme") -> str:
    return reverse(f"integrations:{name}", args=[tenant, key.pk] if key else [tenant])


def text(response) -> str:
    return str(response.content, "utf-8")


def keys() -> list[ApiKey]:
    with every_tenant():
        return list(ApiKey.objects.order_by("pk"))


def test_page_lists_keys_without_telling_them(viewer_client, issued, owner, tenant):
    key, secret = issued
    page = text(viewer_client.get(url("api_keys")))
    assert "Web shop" in page
    assert f"••••{key.last_four}" in page
    assert owner.email in page
    assert "never" in page
    assert secret.reveal() not in page

    find_api_key(secret.reveal(), KeyPurpose.INGEST)
    issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=None)
    page = text(viewer_client.get(url("api_keys")))
    assert "on the command line" in page
    assert page.count("never") == 1


def test_key_is_found_by_a_part_of_its_name(viewer_client, issued, tenant):
    issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=None)
    page = text(viewer_client.get(url("api_keys"), {"q": "SHOP"}))
    assert page.count("••••") == 1
    assert "No key's name has “nothing” in it." in text(viewer_client.get(url("api_keys"), {"q": "nothing"}))


def test_page_without_keys_invites_those_who_may(admin_client, viewer_client):
    assert url("make_api_key") in text(admin_client.get(url("api_keys")))

    for_viewer = text(viewer_client.get(url("api_keys")))
    assert url("make_api_key") not in for_viewer
    assert "An owner or admin of Acme can make one." in for_viewer


def test_a_viewer_is_offered_nothing_to_revoke(viewer_client, admin_client, issued):
    assert url("revoke_api_key", issued[0]) in text(admin_client.get(url("api_keys")))
    assert url("revoke_api_key", issued[0]) not in text(viewer_client.get(url("api_keys")))


@pytest.mark.parametrize("count", [1, 3])
def test_page_costs_the_same_queries_for_any_number(viewer_client, tenant, owner, count, django_assert_num_queries):
    for number in range(count):
        issue_api_key(tenant, KeyPurpose.INGEST, name=f"Key {number}", by=owner)

    # Session, user, membership with tenant, keys counted and shown, and the tenants to switch to.
    with django_assert_num_queries(6):
        page = text(viewer_client.get(url("api_keys")))

    assert page.count("••••") == count


@pytest.mark.parametrize(("purpose", "prefix"), [("ingest", "hw_ingest_"), ("inbound", "hw_in_")])
def test_a_new_key_is_shown_once_and_opens(admin_client, admin, purpose, prefix):
    made = admin_client.post(url("make_api_key"), {"name": "Web shop", "purpose": purpose})

    [key] = keys()
    found = re.search(rf"{prefix}[0-9a-f]{{64}}", text(made))
    assert found
    assert find_api_key(found[0], KeyPurpose(purpose)) == key
    assert (key.name, key.purpose, key.created_by) == ("Web shop", purpose, admin)
    assert "no-store" in made["Cache-Control"]
    assert found[0] not in text(admin_client.get(url("api_keys")))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": ""}, "Give the key a name."),
        ({"purpose": ""}, "Choose what the key is for."),
        ({"purpose": "everything"}, "A key is for events from Segment or from your own servers: choose one."),
        ({"name": "x" * 101}, "at most 100 characters"),
    ],
)
def test_a_form_that_is_not_whole_makes_no_key(admin_client, change, told):
    assert told in text(admin_client.post(url("make_api_key"), {**FORM, **change}))
    assert keys() == []


def test_revoking_tells_what_follows_and_asks_first(admin_client, issued):
    key, secret = issued
    page = text(admin_client.get(url("revoke_api_key", key)))
    assert "Whoever uses it is refused from the next request on" in page
    assert find_api_key(secret.reveal(), KeyPurpose.INGEST)

    answer = admin_client.post(url("revoke_api_key", key), follow=True)

    assert answer.redirect_chain == [(url("api_keys"), 302)]
    assert "“Web shop” is revoked." in text(answer)
    assert "Revoked" in text(answer)
    assert find_api_key(secret.reveal(), KeyPurpose.INGEST) is None


@pytest.mark.parametrize("method", ["get", "post"])
def test_revoking_twice_says_so(admin_client, issued, method):
    admin_client.post(url("revoke_api_key", issued[0]))

    again = getattr(admin_client, method)(url("revoke_api_key", issued[0]), follow=True)

    assert "“Web shop” was revoked before." in text(again)


@pytest.mark.parametrize("name", ["make_api_key", "revoke_api_key"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_viewer_changes_nothing(viewer_client, issued, name, method):
    address = url(name, issued[0] if name.startswith("revoke") else None)

    assert getattr(viewer_client, method)(address, FORM).status_code == 403
    assert [key.revoked_at for key in keys()] == [None]


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_tenant_sees_and_changes_nothing(stranger_client, issued, name, method):
    key = issued[0] if name.startswith("revoke") else None

    assert getattr(stranger_client, method)(url(name, key), FORM).status_code == 404
    if key:
        assert getattr(stranger_client, method)(url(name, key, tenant="other"), FORM).status_code == 404
    assert [key.revoked_at for key in keys()] == [None]


def test_a_visitor_is_led_to_the_log_in(client, tenant):
    answer = client.get(url("api_keys"))

    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("account_login"))


def test_integrations_lead_to_the_keys(viewer_client, tenant):
    assert url("api_keys") in text(viewer_client.get(reverse("integrations:index", args=["acme"])))
