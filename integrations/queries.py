import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet

from integrations.enums import CAPTURING_STATES, Region, SourceState
from integrations.errors import SecretError
from integrations.models import Source
from integrations.secrets import Secret, fingerprint, rate_key
from tenants.scoping import every_tenant


@dataclass(frozen=True, slots=True)
class SendingCredentials:
    """What a request to Segment needs, as it was at one moment: `version` is the source's then."""

    source_id: int
    tenant_id: int
    version: int
    region: Region
    write_key: Secret
    rate_key: str


_FIELDS: Final = {field.attname: str(field.column) for field in Source._meta.concrete_fields}
CAPTURING: Final = (
    f"SELECT {', '.join(_FIELDS.values())} FROM integrations_source "  # noqa: S608  # only constants of ours are put in; values are parameters
    "WHERE tenant_id = %s AND state = ANY(%s) ORDER BY id"
)
_STATES: Final = sorted(CAPTURING_STATES)
_RULES: Final = list(_FIELDS).index("property_rules")


def capturing_sources(tenant_id: int) -> list[Source]:
    """The sources that get what happens from now on, oldest first. One query."""
    # Asked for each event that is captured: a query set, also a raw one, costs five times what the query does.
    with connection.cursor() as cursor:
        cursor.execute(CAPTURING, [tenant_id, _STATES])
        return [Source.from_db(connection.alias, list(_FIELDS), _decoded(row)) for row in cursor.fetchall()]


def _decoded(row: tuple[Any, ...]) -> list[Any]:
    """Django has PostgreSQL's JSON come as text, for its fields to decode."""
    values = list(row)
    values[_RULES] = {} if values[_RULES] == "{}" else json.loads(values[_RULES])
    return values


def sending_credentials(source_id: int) -> SendingCredentials | None:
    """What to send with, or None when the source is not connected or gone. One query.

    Raises SecretError when the write key cannot be read.
    """
    found = sending_credentials_of([source_id]).get(source_id)
    if isinstance(found, SecretError):
        raise found
    return found


def sending_credentials_of(source_ids: Collection[int]) -> dict[int, SendingCredentials | SecretError]:
    """As `sending_credentials`, for those of the sources that are connected, the errors given back. One query."""
    with every_tenant():
        sources = Source.objects.select_related("write_key").filter(pk__in=source_ids, state=SourceState.CONNECTED)
        return {source.pk: _credentials(source) for source in sources}


def _credentials(source: Source) -> SendingCredentials | SecretError:
    if not hasattr(source, "write_key"):
        return SecretError(f"Source {source.pk} has no write key: paste it again.")
    try:
        write_key = source.write_key.unseal()
    except SecretError as error:
        return error
    region = Region(source.region)
    return SendingCredentials(
        source.pk, source.tenant_id, source.version, region, write_key, rate_key(write_key, region)
    )


def sources_named(search: str = "") -> QuerySet[Source]:
    """Of the tenant in scope, by name, each with its write key if it has one; those with `search` in their names."""
    sources = Source.objects.select_related("write_key").order_by("name")
    return sources.filter(name__icontains=search) if search else sources


def sources_with_key(write_key: Secret, region: str, *, apart_from: Source | None = None) -> list[Source]:
    """The sources in the active scope that send with this key to this region. One query, and nothing is decrypted."""
    sources = Source.objects.filter(region=region, write_key__fingerprint=fingerprint(write_key)).order_by("name")
    return list(sources.exclude(pk=apart_from.pk) if apart_from else sources)


def has_key(source: Source, write_key: Secret) -> bool:
    """Whether the source in the active scope sends with this key. One query, and nothing is decrypted."""
    return Source.objects.filter(pk=source.pk, write_key__fingerprint=fingerprint(write_key)).exists()
