"""API keys of a tenant: made, shown once, looked up by their digest, revoked."""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from integrations.enums import KeyPurpose
from integrations.models import ApiKey, SharedSecret
from integrations.secrets import Secret
from tenants.audit import note
from tenants.models import Tenant, User
from tenants.scoping import every_tenant, scope

PREFIXES: Final = {KeyPurpose.INBOUND: "hw_in_", KeyPurpose.INGEST: "hw_ingest_"}
"""Tells people, and programs that look for leaked secrets, what they have found."""

KEY_BYTES: Final = 32
USE_NOTED_EVERY: Final = timedelta(minutes=1)

_FIELDS: Final = {field.attname: str(field.column) for field in ApiKey._meta.concrete_fields}
FIND: Final = f"""
SELECT secret.id, secret.ciphertext, {", ".join(f"key.{column}" for column in _FIELDS.values())}
FROM integrations_apikey AS key LEFT JOIN integrations_sharedsecret AS secret ON secret.api_key_id = key.id
WHERE key.digest = %s AND key.purpose = %s AND key.revoked_at IS NULL
"""  # noqa: S608  # only constants of ours are put in; values are parameters


@sensitive_variables("text")
def issue_api_key(tenant: Tenant, purpose: KeyPurpose, *, name: str, by: User | None) -> tuple[ApiKey, Secret]:
    """A new key, and its text: to be shown once, for nobody can tell it again. `by` None is the command line."""
    # Hexadecimal: a double click selects all of it, and nothing in it needs quoting anywhere.
    text = PREFIXES[purpose] + secrets.token_hex(KEY_BYTES)
    with transaction.atomic(), scope(tenant.pk):
        key = ApiKey.objects.create(
            tenant=tenant, purpose=purpose, name=name, last_four=text[-4:], digest=_digest(text), created_by=by
        )
        note(tenant.pk, by, "made the API key", name, purpose=purpose.label, last_four=key.last_four)
    return key, Secret(text)


@sensitive_variables("text")
def find_api_key(text: str, purpose: KeyPurpose) -> ApiKey | None:
    """The key with this text, None when it is unknown, revoked or for something else. Works outside any scope.

    One query, which brings the key's shared secret too; once a minute a second one notes the use.
    """
    # Asked at each request of a program: a query set takes as long as all else that is done to a small one.
    with connection.cursor() as cursor:
        cursor.execute(FIND, [_digest(text), purpose])
        row = cursor.fetchone()
    if row is None:
        return None
    secret_id, ciphertext, *values = row
    key = ApiKey.from_db(connection.alias, list(_FIELDS), values)
    secret = SharedSecret(id=secret_id, api_key=key, ciphertext=ciphertext) if secret_id else None
    ApiKey.shared_secret.related.set_cached_value(key, secret)
    if key.last_used_at is None or timezone.now() - key.last_used_at >= USE_NOTED_EVERY:
        _note_use(key)
    return key


def revoke_api_key(key: ApiKey, *, by: User | None) -> bool:
    """Shut the key out from the next request on, for ever. False when somebody was faster."""
    with transaction.atomic(), scope(key.tenant_id):
        revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
        if revoked:
            purpose = KeyPurpose(key.purpose).label
            note(key.tenant_id, by, "revoked the API key", key.name, purpose=purpose, last_four=key.last_four)
        return bool(revoked)


def api_keys_named(search: str = "") -> QuerySet[ApiKey]:
    """Of the tenant in scope, those in use first, then the newest first; those with `search` in their names."""
    keys = ApiKey.objects.select_related("created_by").order_by("-revoked_at", "-pk")
    return keys.filter(name__icontains=search) if search else keys


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    # Asked again in the statement: of many requests at once, one writes and the others find it written.
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    with every_tenant():
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    key.last_used_at = now


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogatepass")).digest()
