from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tenants.exports.making import run
from tenants.exports.models import Export, ExportPiece
from tenants.exports.services import ask_for_export
from tenants.scoping import scope

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


@pytest.mark.parametrize(
    ("minutes", "state", "late"), [(4, "running", False), (6, "waiting", True), (6, "ready", False)]
)
def test_one_that_stands_still_is_late(tenant, owner, minutes, state, late):
    at = timezone.now()
    asked = Export(tenant=tenant, by=owner, state=state, moved_at=at - timedelta(minutes=minutes))
    assert asked.is_late is late


@pytest.mark.parametrize(("done", "expected", "percent"), [(0, 0, 0), (5, 10, 50), (10, 10, 99), (20, 10, 99)])
def test_percent_is_whole_at_the_end_alone(done, expected, percent):
    assert Export(rows_done=done, rows_expected=expected).percent == percent


def test_token_is_good_for_its_own_export_and_company(tenant, other_tenant, owner):
    asked = ask_for_export(tenant, by=owner)
    with scope(tenant.pk):
        assert Export.of_token(asked.token) == asked
        assert Export.of_token(f"{asked.pk.hex}.{'x' * 43}") is None
        assert Export.of_token(asked.pk.hex) is None
    with scope(other_tenant.pk):
        assert Export.of_token(asked.token) is None


def test_database_holds_to_one_at_a_time(tenant, owner):
    ask_for_export(tenant, by=owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        Export.objects.create(tenant=tenant, by=owner, by_label="")


def test_rows_of_a_tenant_that_is_deleted_go_with_it(tenant, owner):
    ask_for_export(tenant, by=owner)
    run()
    tenant.delete()
    assert (Export.objects.count(), ExportPiece.objects.count()) == (0, 0)


def test_pieces_are_not_compressed_a_second_time(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage FROM pg_attribute WHERE attrelid = 'tenants_exportpiece'::regclass AND attname = 'data'"
        )
        assert cursor.fetchone() == ("e",)
