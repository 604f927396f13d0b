import pytest
from django.utils import timezone

from delivery.importing.models import FileImport
from tenants.scoping import every_tenant
from tests.integrations.test_admin import queries_of

IMPORTS = "/admin/delivery/fileimport/"


def make_import(source, digest="0", **fields):
    facts = {
        "file_name": "history.jsonl",
        "file_bytes": 1_000,
        "requested_by": "operator",
        "started_at": timezone.now(),
    }
    record = FileImport(tenant_id=source.tenant_id, source=source, digest=digest * 64, **{**facts, **fields})
    record.save()
    return record


def found(client, **query):
    response = client.get(IMPORTS, query)
    assert response.status_code == 200
    return [record.pk for record in response.context["cl"].result_list]


@pytest.fixture
def begun(source):
    return make_import(source, position=400, captured=1_234, duplicates=2, refused=1)


@pytest.fixture
def done(other_source):
    return make_import(other_source, "1", file_name="orders.csv", finished_at=timezone.now())


def test_staff_see_how_far_a_file_came(staff_client, begun, done):
    assert found(staff_client) == [done.pk, begun.pk]
    page = staff_client.get(f"{IMPORTS}{begun.pk}/change/").content.decode()
    assert [each in page for each in ("40%", "1,234", "400 of 1,000 bytes", "operator", "Acme")] == [True] * 5
    assert "Done" in staff_client.get(f"{IMPORTS}{done.pk}/change/").content.decode()


def test_an_empty_file_has_a_state(staff_client, source):
    make_import(source, file_bytes=0)
    assert "Begun" in staff_client.get(IMPORTS).content.decode()


@pytest.mark.parametrize("term", ["history", "acme", "Acme", "main"])
def test_an_import_is_found_by_file_source_and_company(staff_client, begun, done, term):
    with every_tenant():
        type(done.source).objects.filter(pk=done.source_id).update(name="Second")
    assert found(staff_client, q=term) == [begun.pk]


def test_imports_are_filtered(staff_client, begun, done):
    assert found(staff_client, state="begun") == [begun.pk]
    assert found(staff_client, state="done") == [done.pk]
    assert found(staff_client, state="nonsense") == found(staff_client, within="1h") == [done.pk, begun.pk]


@pytest.mark.parametrize("address", ["add/", "{pk}/change/", "{pk}/delete/"])
def test_nothing_is_added_changed_or_deleted(staff_client, begun, address):
    assert (
        staff_client.post(IMPORTS + address.format(pk=begun.pk), {"file_name": "x", "post": "yes"}).status_code == 403
    )
    with every_tenant():
        assert FileImport.objects.get().file_name == "history.jsonl"


def test_the_list_takes_as_many_queries_for_three_as_for_one(staff_client, source, begun):
    one = queries_of(staff_client, IMPORTS)
    for digest in "ab":
        make_import(source, digest)
    assert queries_of(staff_client, IMPORTS) == one


def test_owner_of_a_tenant_is_refused(owner_client, begun):
    assert owner_client.get(IMPORTS, follow=True).status_code == 403
