import json
import uuid

import pytest
from django.urls import reverse

from integrations.models import Source
from tenants.enums import Role
from tenants.erasure import run
from tenants.models import AuditEntry, Erasure, Membership, Tenant
from tenants.scoping import every_tenant
from tests.conftest import make_member

PRIVACY, DELETE = "/t/acme/privacy/", "/t/acme/delete/"
ADA = {"field": "email", "value": "ada@customer.test", "sure": "on"}


def erasures():
    with every_tenant():
        return list(Erasure.objects.order_by("asked_at"))


@pytest.mark.parametrize("path", [PRIVACY, DELETE])
@pytest.mark.parametrize(
    ("who", "privacy", "delete"),
    [("viewer", 403, 403), ("admin", 200, 403), ("owner", 200, 200), ("stranger", 404, 404)],
)
def test_pages_answer_by_role_and_refused_forms_do_nothing(request, tenant, owner, path, who, privacy, delete):
    client = request.getfixturevalue(f"{who}_client")
    expected = privacy if path == PRIVACY else delete
    assert client.get(path).status_code == expected
    if expected != 200:
        assert client.post(path, ADA | {"name": "Acme"}).status_code == expected
        assert (erasures(), Membership.objects.filter(tenant=tenant, user=owner).count()) == ([], 1)


def test_person_is_asked_for_with_a_receipt_and_a_note_that_names_nobody(admin_client, admin, tenant):
    response = admin_client.post(PRIVACY, ADA)
    (asked,) = erasures()
    assert response["Location"] == reverse("tenants:receipt", args=[asked.pk])
    page = admin_client.get(response["Location"]).content.decode()
    assert ("Asked for" in page, "ada@" in page) == (True, False)
    with every_tenant():
        (entry,) = AuditEntry.objects.all()
    assert (entry.deed, entry.subject) == ("asked to erase a person:", f"receipt {asked.pk}")
    run()
    assert "nothing was there" in admin_client.get(response["Location"]).content.decode()


@pytest.mark.parametrize("missing", ["field", "value", "sure"])
def test_person_is_not_erased_by_half_a_form(admin_client, missing):
    page = admin_client.post(PRIVACY, {name: value for name, value in ADA.items() if name != missing})
    assert "This field is required." in page.content.decode()
    assert erasures() == []


def test_company_is_deleted_after_its_name_is_typed(owner_client, owner, tenant, source):
    wrong = owner_client.post(DELETE, {"name": "acme"})
    assert "This is not the name." in wrong.content.decode()
    assert erasures() == []
    right = owner_client.post(DELETE, {"name": "Acme"})
    assert owner_client.get("/t/acme/").status_code == 404
    assert "Acme is closed" in owner_client.get(right["Location"]).content.decode()
    run()
    assert not Tenant.objects.exists()
    assert "What is listed here was erased" in owner_client.get(right["Location"]).content.decode()


def test_receipt_is_shown_to_its_company_and_downloaded(
    owner_client, viewer_client, stranger_client, client, admin_client
):
    admin_client.post(PRIVACY, ADA)
    run()
    (asked,) = erasures()
    page, file = reverse("tenants:receipt", args=[asked.pk]), reverse("tenants:receipt_file", args=[asked.pk])
    assert [
        someone.get(page).status_code for someone in (owner_client, admin_client, viewer_client, stranger_client)
    ] == [200, 200, 404, 404]
    assert client.get(page)["Location"].startswith("/accounts/login/")
    response = owner_client.get(file)
    assert response["Content-Disposition"] == f'attachment; filename="receipt-{asked.pk}.json"'
    told = json.loads(response.content)
    assert (told["id"], told["kind"], told["by_label"], told["counts"]) == (
        str(asked.pk),
        "person",
        "admin@acme.test",
        {},
    )
    assert owner_client.get(reverse("tenants:receipt", args=[uuid.uuid4()])).status_code == 404


def test_source_is_deleted_by_an_owner_who_types_its_name(owner_client, admin_client, stranger_client, source):
    path = f"/t/acme/integrations/segment/{source.pk}/delete/"
    for someone, answer in ((admin_client, 403), (stranger_client, 404)):
        assert [someone.get(path).status_code, someone.post(path, {"name": "Main"}).status_code] == [answer] * 2
    assert "within the hour" in owner_client.get(path).content.decode()
    assert "This is not the name." in owner_client.post(path, {"name": "main"}).content.decode()
    with every_tenant():
        assert Source.objects.count() == 1
    assert owner_client.post(path, {"name": "Main"}).status_code == 302
    with every_tenant():
        assert Source.objects.count() == 0
    assert owner_client.get(path).status_code == 404
    assert "Main" in owner_client.get(PRIVACY).content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_page_takes_as_many_queries_for_more_receipts(admin_client, tenant, django_assert_num_queries, count):
    for _ in range(count):
        admin_client.post(PRIVACY, ADA)
    make_member(tenant, Role.VIEWER)
    admin_client.get(PRIVACY)
    with django_assert_num_queries(7):
        admin_client.get(PRIVACY)
