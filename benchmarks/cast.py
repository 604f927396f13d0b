"""Tenants and sources of a row."""

from django.db import transaction

from benchmarks.keys import write_key
from integrations.enums import Region
from integrations.models import Source
from integrations.secrets import Secret
from integrations.services import connect_source
from tenants.models import Tenant


def new_sources(count: int, *, first: int = 0, per_tenant: int = 1) -> list[Source]:
    """Connected US sources with the keys `first` and following, some to a tenant."""
    sources: list[Source] = []
    with transaction.atomic():
        for number in range(first, first + count):
            if len(sources) % per_tenant == 0:
                tenant = Tenant.objects.create(name=f"Tenant {number}", slug=f"tenant-{number}")
            sources.append(_connected(tenant, number))
    return sources


def _connected(tenant: Tenant, number: int) -> Source:
    return connect_source(tenant, name=f"Source {number}", region=Region.US, write_key=Secret(write_key(number)))
