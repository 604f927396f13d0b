import pytest
from django.urls import reverse

from integrations.api_keys import issue_api_key, revoke_api_key
from integrations.enums import KeyPurpose
from integrations.models import SharedSecret
from tenants.models import AuditEntry
from tests.integrations.test_identity import make_person

pytestmark = pytest.mark.usefixtures("everything")

SHARED = "swordfish of Acme"


@pytest.fixture
def key(tenant):
    return issue_api_key(tenant, KeyPurpose.INBOUND, name="Subscription", by=None)[0]


@pytest.fixture
def secret_page(key):
    return reverse("integrations:shared_secret", args=["acme", key.pk])


PEOPLE = "/t/acme/integrations/segment/people/"


def text(response):
    return response.content.decode()


def deeds():
    return [(entry.by_label, entry.deed, entry.subject) for entry in AuditEntry.objects.order_by("pk")]


@pytest.mark.parametrize(("who", "status"), [("viewer_client", 403), ("stranger_client", 404), ("client", 302)])
def test_only_owners_and_admins_set_secrets(request, key, secret_page, who, status):
    client = request.getfixturevalue(who)
    before = AuditEntry.objects.count()
    assert client.get(secret_page).status_code == status
    assert client.post(secret_page, {"shared_secret": SHARED}).status_code == status
    assert not SharedSecret.objects.exists()
    assert AuditEntry.objects.count() == before


def test_the_key_of_another_tenant_does_not_exist(owner_client, tenant, other_tenant):
    foreign_key, _text = issue_api_key(other_tenant, KeyPurpose.INBOUND, name="Theirs", by=None)
    address = reverse("integrations:shared_secret", args=["acme", foreign_key.pk])
    assert owner_client.post(address, {"shared_secret": SHARED}).status_code == 404
    assert "Theirs" not in text(owner_client.get(PEOPLE))


def test_the_people_page_begins_with_how_it_is_done(viewer_client, tenant, settings):
    settings.SITE_URL = "https://headwater.test"
    page = text(viewer_client.get(PEOPLE))
    assert "Nothing so far." in page
    assert "https://headwater.test/segment/inbound" in page
    assert "An owner or admin of Acme can make one." in page


def test_the_people_page_shows_how_many_are_known_and_the_keys(viewer_client, tenant, other_tenant, key):
    make_person(tenant, "u-1")
    make_person(tenant, keys=[("anonymous", "a-1")])
    make_person(other_tenant, "u-2")
    issue_api_key(tenant, KeyPurpose.INGEST, name="Server", by=None)
    page = text(viewer_client.get(PEOPLE))
    assert "Segment has named <strong>1</strong> person." in page
    assert "Subscription" in page
    assert "Server" not in page
    assert "Not asked for" in page


@pytest.mark.parametrize(("who", "status"), [("stranger_client", 404), ("client", 302)])
def test_the_people_page_is_for_members(request, tenant, who, status):
    assert request.getfixturevalue(who).get(PEOPLE).status_code == status


def test_a_revoked_key_is_not_shown_and_gets_no_secret(owner_client, key, secret_page):
    revoke_api_key(key, by=None)
    assert "Subscription" not in text(owner_client.get(PEOPLE))
    assert "is revoked: Segment is not let in with it" in text(owner_client.post(secret_page, {}, follow=True))


def test_a_shared_secret_is_stored_encrypted_and_never_shown(admin_client, key, secret_page):
    response = admin_client.post(secret_page, {"shared_secret": SHARED}, follow=True)
    stored = SharedSecret.objects.get()
    assert stored.unseal().reveal() == SHARED
    assert SHARED.encode() not in bytes(stored.ciphertext)
    assert "Signatures are checked from now on." in text(response)
    assert SHARED not in text(response) + text(admin_client.get(secret_page)) + str(deeds())
    assert deeds()[-1][1:] == ("set the shared secret of", str(key))


def test_a_shared_secret_is_replaced_and_removed(admin_client, key, secret_page):
    admin_client.post(secret_page, {"shared_secret": SHARED})
    admin_client.post(secret_page, {"shared_secret": " another "})
    assert SharedSecret.objects.get().unseal().reveal() == " another "
    admin_client.post(secret_page, {"remove": "on"})
    assert not SharedSecret.objects.exists()
    assert deeds()[-1][1] == "removed the shared secret of"


@pytest.mark.parametrize("posted", [{}, {"shared_secret": ""}, {"remove": "on"}, {"shared_secret": "x" * 501}])
def test_a_secret_that_is_none_changes_nothing(admin_client, key, secret_page, posted):
    assert admin_client.post(secret_page, posted).status_code == 200
    assert not SharedSecret.objects.exists()


@pytest.mark.parametrize("count", [1, 3])
def test_the_people_page_costs_the_same_whatever_there_is(viewer_client, tenant, django_assert_num_queries, count):
    for number in range(count):
        issue_api_key(tenant, KeyPurpose.INBOUND, name=f"Key {number}", by=None)
        make_person(tenant, f"u-{number}")
    with django_assert_num_queries(7):
        # session, user, membership with tenant, keys counted and shown, people, the tenants of the menu
        viewer_client.get(PEOPLE)
