from datetime import timedelta
from hashlib import sha256

import pytest
from django.utils import timezone

from integrations.api_keys import api_keys_named, find_api_key, issue_api_key, revoke_api_key
from integrations.enums import KeyPurpose
from integrations.models import ApiKey
from integrations.secrets import Secret
from tenants.models import AuditEntry
from tenants.scoping import every_tenant, scope


@pytest.fixture
def issued(tenant, owner):
    return issue_api_key(tenant, KeyPurpose.INGEST, name="Web shop", by=owner)


def found(secret: Secret) -> ApiKey:
    key = find_api_key(secret.reveal(), KeyPurpose.INGEST)
    assert key
    return key


def stored(key):
    with every_tenant():
        return ApiKey.objects.get(pk=key.pk)


@pytest.mark.parametrize(("purpose", "prefix"), [("inbound", "hw_in_"), ("ingest", "hw_ingest_")])
def test_issue_api_key_makes_256_random_bits_behind_a_prefix(tenant, owner, purpose, prefix):
    key, secret = issue_api_key(tenant, KeyPurpose(purpose), name="One", by=owner)

    text = secret.reveal()
    assert text.startswith(prefix)
    assert len(bytes.fromhex(text.removeprefix(prefix))) == 32
    assert (key.tenant, key.purpose, key.name, key.last_four, key.created_by) == (
        *(tenant, purpose, "One", text[-4:], owner),
    )
    assert issue_api_key(tenant, KeyPurpose(purpose), name="One", by=owner)[1] != secret


def test_an_issued_key_is_stored_as_its_digest_only(issued):
    key, secret = issued

    text = secret.reveal()
    row = stored(key)
    assert bytes(row.digest) == sha256(text.encode()).digest()
    assert text[:-4] not in repr(row.__dict__)


def test_find_api_key_gives_the_key_of_any_tenant_outside_a_scope(issued, other_tenant):
    theirs, secret = issue_api_key(other_tenant, KeyPurpose.INGEST, name="Theirs", by=None)

    assert find_api_key(issued[1].reveal(), KeyPurpose.INGEST) == issued[0]
    assert find_api_key(secret.reveal(), KeyPurpose.INGEST) == theirs
    assert theirs.created_by is None


@pytest.mark.parametrize("text", ["", "hw_ingest_", "hw_ingest_" + "0" * 64, "\x00", "\ud800", "é" * 10_000])
def test_find_api_key_does_not_know_other_texts(issued, text):
    assert find_api_key(text, KeyPurpose.INGEST) is None


def test_find_api_key_does_not_open_another_purpose(issued):
    assert find_api_key(issued[1].reveal(), KeyPurpose.INBOUND) is None
    assert stored(issued[0]).last_used_at is None


def test_find_api_key_notes_the_use_at_most_once_a_minute(issued, django_assert_num_queries):
    key, secret = issued
    with django_assert_num_queries(2):
        first = found(secret).last_used_at
    with django_assert_num_queries(1):
        assert found(secret).last_used_at == first
    assert stored(key).last_used_at == first

    with every_tenant():
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=first - timedelta(minutes=1))
    with django_assert_num_queries(2):
        find_api_key(secret.reveal(), KeyPurpose.INGEST)
    assert stored(key).last_used_at >= first


def test_a_revoked_key_opens_nothing_from_then_on(issued, owner):
    key, secret = issued
    find_api_key(secret.reveal(), KeyPurpose.INGEST)

    assert revoke_api_key(key, by=owner) is True

    assert find_api_key(secret.reveal(), KeyPurpose.INGEST) is None
    revoked_at = stored(key).revoked_at
    assert timezone.now() - revoked_at < timedelta(minutes=1)
    assert revoke_api_key(key, by=owner) is False
    assert stored(key).revoked_at == revoked_at


def test_making_and_revoking_a_key_is_in_the_audit_trail_without_the_key(issued, owner):
    key, secret = issued
    revoke_api_key(key, by=owner)
    revoke_api_key(key, by=owner)

    with every_tenant():
        entries = list(AuditEntry.objects.order_by("pk"))
    assert [(entry.by, entry.deed, entry.subject) for entry in entries] == [
        (owner, "made the API key", "Web shop"),
        (owner, "revoked the API key", "Web shop"),
    ]
    about = {"purpose": "Events from your own servers", "last_four": key.last_four}
    assert [entry.details for entry in entries] == [about, about]
    assert secret.reveal() not in str([vars(entry) for entry in entries])


def test_api_keys_named_has_those_in_use_first_and_no_other_tenants(issued, tenant, other_tenant, owner):
    issue_api_key(other_tenant, KeyPurpose.INGEST, name="Theirs", by=None)
    second, _ = issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=owner)
    third, _ = issue_api_key(tenant, KeyPurpose.INGEST, name="Third", by=None)
    revoke_api_key(third, by=owner)

    with scope(tenant.pk):
        assert list(api_keys_named()) == [second, issued[0], third]
        assert list(api_keys_named("THIRD")) == [third]


def test_keys_outlive_the_user_who_made_them_and_go_with_the_tenant(issued, tenant, owner):
    owner.delete()
    assert found(issued[1]).created_by is None

    tenant.delete()
    assert find_api_key(issued[1].reveal(), KeyPurpose.INGEST) is None
