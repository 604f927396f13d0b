import pytest

from integrations.api_keys import issue_api_key, revoke_api_key
from integrations.enums import KeyPurpose
from integrations.models import ApiKey, Person, SharedSecret
from integrations.secrets import Secret
from tenants.scoping import every_tenant
from tests.integrations.test_admin import queries_of
from tests.integrations.test_identity import make_person

PEOPLE = "/admin/integrations/person/"
KEYS = "/admin/integrations/apikey/"


@pytest.fixture
def ada(tenant):
    return make_person(tenant, "seg-7", "ada@person.test", keys=[("anonymous", "device-7")])


@pytest.fixture
def stranger_of_other(other_tenant):
    return make_person(other_tenant, "", "", keys=[("anonymous", "device-8")])


@pytest.fixture
def issued(tenant, owner):
    return issue_api_key(tenant, KeyPurpose.INBOUND, name="Production", by=owner)


def page_of(obj):
    return f"/admin/integrations/{obj._meta.model_name}/{obj.pk}/change/"


def found(client, address, **query):
    response = client.get(address, query)
    assert response.status_code == 200
    return [obj.pk for obj in response.context["cl"].result_list]


def test_staff_see_the_people_of_every_tenant(staff_client, ada, stranger_of_other):
    assert found(staff_client, PEOPLE) == [stranger_of_other.pk, ada.pk]
    page = staff_client.get(page_of(ada)).content.decode()
    assert [each in page for each in ("seg-7", "ada@person.test", "device-7", "Acme")] == [True] * 4


@pytest.mark.parametrize("term", ["seg-7", "device-7", " ada@person.test", "ADA@person.test", "acme", "Acme"])
def test_a_person_is_found_by_id_address_and_company(staff_client, ada, stranger_of_other, term):
    assert found(staff_client, PEOPLE, q=term) == [ada.pk]


@pytest.mark.parametrize("term", ["seg", "device", "nobody@person.test"])
def test_a_person_is_not_found_by_a_part(staff_client, ada, term):
    assert found(staff_client, PEOPLE, q=term) == []


def test_people_are_filtered_by_whether_they_are_named(staff_client, ada, stranger_of_other):
    assert found(staff_client, PEOPLE, named="yes") == [ada.pk]
    assert found(staff_client, PEOPLE, named="no") == [stranger_of_other.pk]
    assert found(staff_client, PEOPLE, named="nonsense") == [stranger_of_other.pk, ada.pk]


def test_staff_see_keys_without_what_opens_anything(staff_client, issued, owner):
    key, text = issued
    secret = SharedSecret(api_key=key)
    secret.seal(Secret("the shared secret"))
    secret.save()
    assert found(staff_client, KEYS) == [key.pk]
    pages = [staff_client.get(address).content for address in (KEYS, page_of(key))]
    hidden = [text.reveal().encode(), key.digest.hex().encode(), b"the shared secret", secret.ciphertext.hex().encode()]
    assert [each in page for page in pages for each in hidden] == [False] * 8
    shown = (f"…{key.last_four}", owner.email, "checked by a shared secret", "In use")
    assert [each in pages[1].decode() for each in shown] == [True] * 4


@pytest.mark.parametrize("term", ["product", "acme", "LAST_FOUR"])
def test_a_key_is_found_by_name_company_and_last_characters(staff_client, issued, other_tenant, term):
    issue_api_key(other_tenant, KeyPurpose.INGEST, name="Other", by=None)
    assert found(staff_client, KEYS, q=issued[0].last_four if term == "LAST_FOUR" else term) == [issued[0].pk]


def test_a_key_itself_is_not_searched(staff_client, issued):
    assert found(staff_client, KEYS, q=issued[1].reveal()) == []


def test_keys_are_filtered_by_purpose_and_use(staff_client, tenant, issued):
    other, _text = issue_api_key(tenant, KeyPurpose.INGEST, name="Web shop", by=None)
    revoke_api_key(other, by=None)
    assert found(staff_client, KEYS, state="in_use") == found(staff_client, KEYS, purpose__exact="inbound")
    assert found(staff_client, KEYS, state="revoked") == [other.pk]
    assert found(staff_client, KEYS, state="nonsense") == [other.pk, issued[0].pk]
    assert found(staff_client, KEYS, within="1h") == []
    assert "the command line" in staff_client.get(page_of(other)).content.decode()


@pytest.mark.parametrize("address", ["add/", "{pk}/change/", "{pk}/delete/"])
@pytest.mark.parametrize("base", [PEOPLE, KEYS])
def test_nothing_is_added_changed_or_deleted(staff_client, ada, issued, base, address):
    pk = ada.pk if base == PEOPLE else issued[0].pk
    assert (
        staff_client.post(base + address.format(pk=pk), {"name": "x", "user_id": "x", "post": "yes"}).status_code == 403
    )
    with every_tenant():
        assert (Person.objects.get().user_id, ApiKey.objects.get().name) == ("seg-7", "Production")


@pytest.mark.parametrize("base", [PEOPLE, KEYS])
def test_lists_take_as_many_queries_for_three_as_for_one(staff_client, tenant, ada, issued, base):
    one = queries_of(staff_client, base)
    for number in range(2):
        make_person(tenant, f"seg-{number}")
        issue_api_key(tenant, KeyPurpose.INGEST, name=f"Key {number}", by=None)
    assert queries_of(staff_client, base) == one


def test_owner_of_a_tenant_is_refused(owner_client, ada, issued):
    assert [owner_client.get(address, follow=True).status_code for address in (PEOPLE, KEYS)] == [403, 403]
