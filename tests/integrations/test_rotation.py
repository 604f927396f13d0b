import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integrations.api_keys import issue_api_key
from integrations.enums import KeyPurpose
from integrations.models import SharedSecret, WriteKey
from integrations.queries import sending_credentials
from integrations.rotation import Rotation, reencrypt_secrets
from integrations.secrets import Secret, fingerprint, key_id_of
from tenants.scoping import every_tenant
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY

NEW = "new:" + "A" * 43


def stored() -> list[tuple[bytes, str]]:
    with every_tenant():
        return [(bytes(row.ciphertext), row.fingerprint) for row in WriteKey.objects.order_by("pk")]


def key_ids() -> set[str]:
    return {key_id_of(ciphertext) for ciphertext, _ in stored()}


def test_reencrypt_secrets_puts_every_tenants_key_under_the_newest(source, other_source, settings):
    fingerprints = {print_ for _, print_ in stored()}
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]

    assert reencrypt_secrets() == Rotation(reencrypted=2, current=0)

    assert key_ids() == {"new"}
    assert {print_ for _, print_ in stored()} == fingerprints
    assert reencrypt_secrets() == Rotation(reencrypted=0, current=2)


def test_reencrypt_secrets_lets_the_old_key_leave_the_ring(source, settings):
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]
    reencrypt_secrets()
    settings.ENCRYPTION_KEYS = [NEW]

    credentials = sending_credentials(source.pk)

    assert credentials is not None
    assert credentials.write_key == Secret(WRITE_KEY)
    # The fingerprint derived from the key that left: the next run renews it.
    assert reencrypt_secrets() == Rotation(reencrypted=1, current=0)
    assert stored()[0][1] == fingerprint(Secret(WRITE_KEY))


def test_reencrypt_secrets_only_counts_in_a_dry_run(source, settings):
    before = stored()
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]

    assert reencrypt_secrets(dry_run=True) == Rotation(reencrypted=1)

    assert stored() == before


def test_reencrypt_secrets_leaves_the_unreadable_and_goes_on(source, other_source, settings):
    with every_tenant():
        WriteKey.objects.filter(source=source).update(ciphertext=b"\x01\x04gone" + b"x" * 40)
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]

    rotation = reencrypt_secrets()

    assert rotation.reencrypted == 1
    [why] = rotation.unreadable
    assert why.startswith(f"Source {source.pk}: ")
    assert "the key 'gone', which is not in ENCRYPTION_KEYS" in why
    assert key_ids() == {"gone", "new"}


def test_reencrypt_secrets_reaches_shared_secrets(tenant, settings):
    key, _text = issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=None)
    shared = SharedSecret(api_key=key)
    shared.seal(Secret("swordfish"))
    shared.save()
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]

    assert reencrypt_secrets() == Rotation(reencrypted=1)

    settings.ENCRYPTION_KEYS = [NEW]
    with every_tenant():
        assert SharedSecret.objects.get().unseal() == Secret("swordfish")
        SharedSecret.objects.update(ciphertext=b"no ciphertext")
    [why] = reencrypt_secrets().unreadable
    assert why.startswith(f"API key {key.pk}: ")


def test_command_prints_counts(source, settings):
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]
    printed = StringIO()

    call_command("reencrypt_secrets", "--dry-run", stdout=printed)
    call_command("reencrypt_secrets", stdout=printed)

    assert printed.getvalue().splitlines() == [
        "Secrets: 1 to re-encrypt, 0 under the first key already, 0 unreadable.",
        "Secrets: 1 re-encrypted, 0 under the first key already, 0 unreadable.",
    ]


def test_command_fails_and_says_so_when_a_key_is_unreadable(source, other_source, settings):
    settings.ENCRYPTION_KEYS = [NEW]
    printed = StringIO()

    with pytest.raises(CommandError, match="2 secrets cannot be read and were left as they are"):
        call_command("reencrypt_secrets", "--json", stdout=printed)

    result = json.loads(printed.getvalue())
    assert (result["reencrypted"], result["current"], result["dry_run"]) == (0, 0, False)
    assert len(result["unreadable"]) == 2
    assert not [key for key in (WRITE_KEY, OTHER_WRITE_KEY) if key in printed.getvalue()]
