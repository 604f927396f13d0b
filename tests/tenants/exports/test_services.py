import pytest

from tenants.closing import delete_tenant
from tenants.enums import ErasureKind, ExportState, PersonField
from tenants.erasure import ask_for_person
from tenants.erasure import run as erase
from tenants.errors import MemberError, TenantError
from tenants.exports.making import run
from tenants.exports.models import Export, ExportPiece
from tenants.exports.services import TOOK_BACK, UNDER_WAY, ask_for_export
from tenants.models import AuditEntry, Erasure
from tenants.scoping import scope

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


@pytest.mark.parametrize("who", ["admin", "viewer", "stranger"])
def test_only_owners_ask(request, tenant, owner, who):
    with pytest.raises(MemberError):
        ask_for_export(tenant, by=request.getfixturevalue(who))
    assert (Export.objects.count(), AuditEntry.objects.count()) == (0, 0)


def test_one_is_made_at_a_time(tenant, other_tenant, owner, stranger):
    ask_for_export(tenant, by=owner)
    with pytest.raises(TenantError, match="already"):
        ask_for_export(tenant, by=owner)
    ask_for_export(other_tenant, by=stranger)
    assert Export.objects.count() == 2
    run()
    ask_for_export(tenant, by=owner)
    assert UNDER_WAY.startswith("An export is being made")


@pytest.mark.parametrize("is_ready", [False, True])
def test_erasure_takes_the_file_back_and_keeps_a_new_one_waiting_until_it_is_done(tenant, owner, is_ready):
    asked = ask_for_export(tenant, by=owner)
    run(9 if is_ready else 0)
    assert ExportPiece.objects.exists()
    ask_for_person(tenant, PersonField.USER, "u-1", by=owner)
    asked.refresh_from_db()
    expected = (ExportState.EXPIRED, TOOK_BACK) if is_ready else (ExportState.WAITING, "")
    assert ((asked.state, asked.reason), ExportPiece.objects.count()) == (expected, 0)
    newest = ask_for_export(tenant, by=owner) if is_ready else asked
    assert run() == 1
    newest.refresh_from_db()
    assert newest.state == ExportState.WAITING
    erase()
    assert run() == 0
    newest.refresh_from_db()
    assert (newest.state, newest.is_ready) == (ExportState.READY, True)


def test_erasure_of_another_company_takes_nothing_back(tenant, owner, other_tenant, stranger):
    asked = ask_for_export(tenant, by=owner)
    run()
    ask_for_person(other_tenant, PersonField.USER, "u-1", by=stranger)
    asked.refresh_from_db()
    assert asked.is_ready


def test_end_of_a_company_deletes_its_file_at_once(tenant, owner):
    ask_for_export(tenant, by=owner)
    run()
    with scope(tenant.pk):
        delete_tenant(tenant, "Acme", by=owner)
    assert (Export.objects.count(), ExportPiece.objects.count()) == (0, 0)
    erase()
    assert list(Erasure.objects.values_list("kind", flat=True)) == [ErasureKind.TENANT]
