"""The audit trail: what an entry keeps, whom it outlives, and what it refuses."""

import pytest
from django.db import transaction

from integrations.secrets import Secret
from tenants.audit import note
from tenants.errors import ScopeError
from tenants.models import AuditEntry
from tenants.scoping import scope
from tests.conftest import WRITE_KEY


def entries(tenant):
    with scope(tenant.pk):
        return list(AuditEntry.objects.order_by("pk").values_list("by", "by_label", "deed", "subject", "details"))


def test_note_keeps_who_did_what_with_its_details(tenant, owner):
    note(tenant.pk, owner, "changed the role of", "ann@acme.test", before="viewer", after="admin", tries=2, why=None)
    details = {"before": "viewer", "after": "admin", "tries": 2, "why": None}
    assert entries(tenant) == [(owner.pk, "owner@acme.test", "changed the role of", "ann@acme.test", details)]


def test_note_of_nobody_is_by_the_product(tenant):
    note(tenant.pk, None, "expired", "3 events")
    assert entries(tenant) == [(None, "Headwater", "expired", "3 events", {})]


def test_note_outlives_the_account_of_who_did_it(tenant, admin):
    note(tenant.pk, admin, "paused", "Main")
    admin.delete()
    assert entries(tenant) == [(None, "admin@acme.test", "paused", "Main", {})]


def test_note_is_undone_with_the_deed(tenant, owner):
    with transaction.atomic():
        note(tenant.pk, owner, "paused", "Main")
        transaction.set_rollback(True)
    assert entries(tenant) == []


def test_note_is_seen_in_its_tenant_alone(tenant, other_tenant):
    note(tenant.pk, None, "paused", "Main")
    assert entries(other_tenant) == []
    with pytest.raises(ScopeError):
        AuditEntry.objects.count()


def test_note_refuses_a_wrapped_secret_and_keeps_nothing(tenant, owner):
    with pytest.raises(TypeError) as caught:
        note(tenant.pk, owner, "replaced the write key of", "Main", write_key=Secret(WRITE_KEY))  # type: ignore[arg-type]  # the mistake itself
    assert str(caught.value) == "The detail write_key of an audit entry is neither text nor a number."
    assert entries(tenant) == []


def test_note_shortens_a_long_subject(tenant):
    note(tenant.pk, None, "paused", "x" * 301)
    assert [entry[3] for entry in entries(tenant)] == ["x" * 300]


def test_note_takes_one_query(tenant, owner, django_assert_num_queries):
    with django_assert_num_queries(1):
        note(tenant.pk, owner, "paused", "Main")
