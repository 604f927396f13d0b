import pytest

from integrations import services
from integrations.enums import Region, SourceState
from integrations.errors import SecretError
from integrations.models import WriteKey
from integrations.queries import capturing_sources, sending_credentials, sources_named, sources_with_key
from integrations.secrets import Secret, rate_key
from tenants.scoping import every_tenant, scope
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY, make_source


@pytest.mark.parametrize("count", [1, 3])
def test_capturing_sources_costs_one_query(tenant, other_source, count, django_assert_num_queries):
    made = [make_source(tenant, WRITE_KEY, name=f"Source {number}") for number in range(count)]

    with django_assert_num_queries(1):
        assert capturing_sources(tenant.pk) == made


def test_capturing_sources_has_the_paused_and_not_the_disconnected(tenant):
    connected, paused, gone = (make_source(tenant, WRITE_KEY, name=name) for name in ("a", "b", "c"))
    services.pause_source(paused)
    services.disconnect_source(gone)

    assert capturing_sources(tenant.pk) == [connected, paused]


def test_sending_credentials_has_all_of_the_source(tenant, source, django_assert_num_queries):
    services.change_region(source, Region.EU)

    with django_assert_num_queries(1):
        credentials = sending_credentials(source.pk)

    assert credentials is not None
    assert (credentials.source_id, credentials.tenant_id, credentials.version) == (source.pk, tenant.pk, 2)
    assert credentials.region is Region.EU
    assert credentials.write_key == Secret(WRITE_KEY)
    assert credentials.rate_key == rate_key(Secret(WRITE_KEY), Region.EU)


@pytest.mark.parametrize("stop", [services.pause_source, services.disconnect_source])
def test_sending_credentials_is_none_when_nothing_may_be_sent(source, stop):
    stop(source)

    assert sending_credentials(source.pk) is None


def test_sending_credentials_is_none_for_a_source_that_is_gone(db):
    assert sending_credentials(404) is None


def test_sending_credentials_refuses_a_key_copied_from_another_source(source, other_source, caplog):
    with every_tenant():
        stolen = WriteKey.objects.get(source=other_source).ciphertext
        WriteKey.objects.filter(source=source).update(ciphertext=stolen)

    with pytest.raises(SecretError, match="copied from another place"):
        sending_credentials(source.pk)

    assert [record.name for record in caplog.records] == ["headwater.security"]


def test_sending_credentials_refuses_a_source_without_a_key(source):
    with every_tenant():
        WriteKey.objects.filter(source=source).delete()

    with pytest.raises(SecretError, match="has no write key: paste it again"):
        sending_credentials(source.pk)


def test_pasting_the_key_again_repairs_a_lost_encryption_key(source, settings):
    settings.ENCRYPTION_KEYS = ["new:" + "A" * 43]
    with pytest.raises(SecretError, match="not in ENCRYPTION_KEYS"):
        sending_credentials(source.pk)

    services.replace_write_key(source, Secret(WRITE_KEY))

    credentials = sending_credentials(source.pk)
    assert credentials is not None
    assert credentials.write_key == Secret(WRITE_KEY)


@pytest.mark.parametrize("count", [1, 3])
def test_sources_named_costs_one_query_with_the_keys(tenant, other_source, count, django_assert_num_queries):
    for number in range(count):
        make_source(tenant, WRITE_KEY, name=f"Source {number}")

    with django_assert_num_queries(1), scope(tenant.pk):
        shown = [(source.name, source.state, source.write_key.last_four) for source in sources_named()]

    assert shown == [(f"Source {number}", SourceState.CONNECTED, "2345") for number in range(count)]


def test_sources_named_finds_a_part_of_a_name(tenant, source, other_source):
    make_source(tenant, OTHER_WRITE_KEY, name="Web shop")
    with scope(tenant.pk):
        assert [found.name for found in sources_named("SHOP")] == ["Web shop"]


def test_sources_with_key_finds_the_same_key_in_the_same_region_of_the_tenant(tenant, source, other_tenant):
    make_source(tenant, WRITE_KEY, region=Region.EU, name="Other region")
    make_source(tenant, WRITE_KEY[::-1], name="Other key")
    make_source(other_tenant, WRITE_KEY)

    with scope(tenant.pk):
        assert sources_with_key(Secret(WRITE_KEY), Region.US) == [source]
        assert sources_with_key(Secret(WRITE_KEY), Region.US, apart_from=source) == []


def test_capturing_sources_has_the_wishes_of_a_source_as_python_has_them(tenant, source):
    source.events_off, source.property_rules = ["Email Opened", "a, b {}"], {"email": "hash"}
    source.save()

    assert [(found.events_off, found.property_rules) for found in capturing_sources(tenant.pk)] == [
        (["Email Opened", "a, b {}"], {"email": "hash"})
    ]
    source.property_rules = {}
    source.save()
    assert capturing_sources(tenant.pk)[0].property_rules == {}
