import pytest

from examples.campaigns.models import Campaign, Message, Person
from integrations.enums import Region
from integrations.models import Source
from tenants.errors import ScopeError
from tenants.models import Tenant
from tenants.scoping import every_tenant, scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def two_sources():
    tenants = [Tenant.objects.create(name=name, slug=name) for name in ("acme", "other")]
    sources = [Source(tenant=tenant, name="Main", region=Region.US) for tenant in tenants]
    for source in sources:
        source.save()
    return sources


@pytest.mark.parametrize(
    "query",
    [
        lambda sources: list(sources.all()),
        lambda sources: sources.exists(),
        lambda sources: sources.exclude(name="x").exists(),
        lambda sources: sources.count(),
        lambda sources: sources.in_bulk(),
        lambda sources: sources.update(name="x"),
    ],
)
def test_query_outside_a_scope_raises(two_sources, query):
    with pytest.raises(ScopeError, match="Source was queried outside a tenant's scope"):
        query(Source.objects)


def test_scope_shows_its_tenant_alone(two_sources):
    mine, _other = two_sources
    with scope(mine.tenant_id):
        assert list(Source.objects.all()) == [mine]


def test_inner_scope_ends_with_its_block(two_sources):
    mine, other = two_sources
    with scope(mine.tenant_id):
        with scope(other.tenant_id):
            assert list(Source.objects.all()) == [other]
        assert list(Source.objects.all()) == [mine]


def test_every_tenant_shows_all(two_sources):
    with every_tenant():
        assert Source.objects.count() == 2


def test_related_manager_is_scoped_by_the_models_own_field():
    tenant = Tenant.objects.create(name="Acme", slug="acme")
    campaign = Campaign(tenant=tenant, name="Spring")
    campaign.save()
    person = Person(tenant=tenant, email="grace@customer.test")
    person.save()
    Message(campaign=campaign, person=person).save()
    with scope(tenant.pk):
        assert person.messages.count() == 1
    with scope(tenant.pk + 1):
        assert person.messages.count() == 0
    with pytest.raises(ScopeError):
        person.messages.count()
