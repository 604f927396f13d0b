from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from integrations.enums import CAPTURING_STATES, Region, SourceState
from integrations.errors import SecretError
from integrations.models import Source
from integrations.secrets import Secret, fingerprint, rate_key
from tenants.scoping import every_tenant, scope


@dataclass(frozen=True, slots=True)
class SendingCredentials:
    """What a request to Segment needs, as it was at one moment: `version` is the source's then."""

    source_id: int
    tenant_id: int
    version: int
    region: Region
    write_key: Secret
    rate_key: str


CAPTURING: Final = "SELECT * FROM integrations_source WHERE tenant_id = %s AND state = ANY(%s) ORDER BY id"


def capturing_sources(tenant_id: int) -> list[Source]:
    """The sources that get what happens from now on, oldest first. One query."""
    # Asked for each event that is captured: making the SQL anew would cost more than running it.
    with scope(tenant_id):
        return list(Source.objects.raw(CAPTURING, [tenant_id, sorted(CAPTURING_STATES)]))


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


def list_sources(tenant_id: int) -> list[Source]:
    """All sources of the tenant by name, each with its write key if it has one. One query."""
    with scope(tenant_id):
        return list(Source.objects.select_related("write_key").order_by("name"))


def sources_with_key(write_key: Secret, region: str, *, apart_from: Source | None = None) -> list[Source]:
    """The sources in the active scope that send with this key to this region. One query, and nothing is decrypted."""
    sources = Source.objects.filter(region=region, write_key__fingerprint=fingerprint(write_key)).order_by("name")
    return list(sources.exclude(pk=apart_from.pk) if apart_from else sources)
