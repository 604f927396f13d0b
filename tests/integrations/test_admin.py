import re

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.enums import SourceState
from integrations.models import Source, WriteKey
from tenants.errors import ScopeError
from tenants.scoping import every_tenant
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY

SOURCES = "/admin/integrations/source/"


def page_of(source):
    return f"{SOURCES}{source.pk}/change/"


def queries_of(client, address):
    """How many queries a page takes. None of them may read a whole log."""
    ContentType.objects.clear_cache()  # or the first page of a process would take more than the next
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    assert [query["sql"] for query in captured if re.search(r"COUNT\(|DISTINCT", query["sql"])] == []
    return len(captured)


def names(response):
    assert response.status_code == 200
    return [source.name for source in response.context["cl"].result_list]


def test_staff_see_the_sources_of_every_tenant(staff_client, source, other_source):
    page = staff_client.get(SOURCES).content.decode()
    assert [name in page for name in ("Acme", "Other", "…2345", "…3210")] == [True] * 4


def test_anonymous_visitor_is_sent_to_the_products_log_in(client, source):
    response = client.get(SOURCES, follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/?next=")
    assert "Acme" not in response.content.decode()


def test_owner_of_a_tenant_is_refused(owner_client, source):
    assert owner_client.get(SOURCES, follow=True).status_code == 403


def test_write_key_is_on_no_page(staff_client, source):
    with every_tenant():
        key = WriteKey.objects.get()
    pages = [staff_client.get(address).content for address in (SOURCES, page_of(source), page_of(source) + "?_popup=1")]
    secrets = [WRITE_KEY.encode(), bytes(key.ciphertext), bytes(key.ciphertext).hex().encode(), str(key.pk).encode()]
    assert [secret in page for page in pages for secret in secrets] == [False] * 12
    assert f"…2345 (fingerprint {key.fingerprint})" in pages[1].decode()


def test_page_of_a_disconnected_source_has_no_key(staff_client, source):
    with every_tenant():
        WriteKey.objects.all().delete()
    assert staff_client.get(SOURCES).status_code == 200
    assert "fingerprint " not in staff_client.get(page_of(source)).content.decode()


@pytest.mark.parametrize("address", ["change/", "delete/"])
def test_source_cannot_be_changed(staff_client, source, address):
    response = staff_client.post(f"{SOURCES}{source.pk}/{address}", {"name": "Hacked", "post": "yes"})
    assert response.status_code == 403
    with every_tenant():
        assert Source.objects.get().name == "Main"


def test_source_cannot_be_added(staff_client, tenant):
    assert staff_client.post(f"{SOURCES}add/", {"name": "New"}).status_code == 403
    with every_tenant():
        assert not Source.objects.exists()


@pytest.mark.parametrize("term", ["acme", "ACME", "Acme", "Shop"])
def test_source_is_found_by_tenant_and_name(staff_client, source, other_source, term):
    with every_tenant():
        Source.objects.filter(pk=source.pk).update(name="Web shop")
    assert names(staff_client.get(SOURCES, {"q": term})) == ["Web shop"]


def test_source_is_found_by_fingerprint(staff_client, source, other_source):
    with every_tenant():
        fingerprint = WriteKey.objects.get(source=other_source).fingerprint
    response = staff_client.get(SOURCES, {"q": fingerprint})
    assert [found.pk for found in response.context["cl"].result_list] == [other_source.pk]


def test_write_key_itself_is_not_searched(staff_client, source, other_source):
    assert names(staff_client.get(SOURCES, {"q": OTHER_WRITE_KEY})) == []


@pytest.mark.parametrize(
    ("lookup", "found"),
    [
        ({"state__exact": "paused"}, ["Paused"]),
        ({"region__exact": "us"}, ["Paused", "Main"]),
        ({"region__exact": "eu"}, []),
        ({"within": "1h"}, ["Paused", "Main"]),
        ({"within": "nonsense"}, ["Paused", "Main"]),
    ],
)
def test_sources_are_filtered(staff_client, tenant, source, lookup, found):
    Source(tenant=tenant, name="Paused", region="us", state=SourceState.PAUSED).save()
    assert names(staff_client.get(SOURCES, lookup)) == found


def test_list_takes_as_many_queries_for_three_as_for_one(staff_client, tenant, source):
    one = queries_of(staff_client, SOURCES)
    for name in ("Second", "Third"):
        Source(tenant=tenant, name=name, region="us").save()
    assert queries_of(staff_client, SOURCES) == one


def test_scope_ends_with_the_page(staff_client, source):
    staff_client.get(SOURCES)
    staff_client.get(page_of(source))
    with pytest.raises(ScopeError):
        Source.objects.count()


def test_page_leads_to_what_was_sent(staff_client, source):
    page = staff_client.get(page_of(source)).content.decode()
    lists = ("event", "batch", "attempt", "refusal")
    links = [f"/admin/delivery/{name}/?source__id__exact={source.pk}" for name in lists]
    assert [link in page for link in links] == [True] * 4
    assert [staff_client.get(link).status_code for link in links] == [200] * 4
