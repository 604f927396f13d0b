import pytest
from django.db import IntegrityError

from integrations import services
from integrations.enums import Region, SourceChange, SourceState
from integrations.errors import SourceStateError
from integrations.models import Source
from integrations.queries import capturing_sources, sending_credentials
from integrations.secrets import Secret
from integrations.signals import source_changed
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY

pytestmark = pytest.mark.usefixtures("everything")


@pytest.fixture
def changes():
    told = []

    def hear(change, **_):
        told.append(change)

    source_changed.connect(hear, sender=Source)
    yield told
    source_changed.disconnect(hear, sender=Source)


def state_of(source):
    stored = Source.objects.get(pk=source.pk)
    return stored.state, stored.shadow_since is not None


def test_source_connected_in_shadow_captures_and_has_nothing_to_send_with(tenant):
    source = services.connect_source(
        tenant, name="Trial", region=Region.EU, write_key=Secret(WRITE_KEY), in_shadow=True
    )
    assert state_of(source) == ("shadow", True)
    assert capturing_sources(tenant.pk) == [source]
    assert sending_credentials(source.pk) is None


@pytest.mark.parametrize("was_paused", [False, True])
def test_shadow_is_entered_and_left(source, changes, was_paused):
    if was_paused:
        services.pause_source(source)
    services.enter_shadow(source)
    assert state_of(source) == ("shadow", True)
    services.go_live(source)
    assert state_of(source) == ("connected", False)
    assert changes[-2:] == [SourceChange.SHADOWED, SourceChange.WENT_LIVE]


def test_shadow_is_not_entered_twice_nor_left_without(source):
    with pytest.raises(SourceStateError, match="is not in shadow: it is connected"):
        services.go_live(source)
    services.enter_shadow(source)
    since = source.shadow_since
    with pytest.raises(SourceStateError, match="is in shadow"):
        services.enter_shadow(source)
    assert Source.objects.get(pk=source.pk).shadow_since == since


def test_source_disconnected_in_shadow_comes_back_in_shadow(source):
    services.enter_shadow(source)
    services.disconnect_source(source)
    assert state_of(source) == ("disconnected", True)
    services.reconnect_source(source, Secret(OTHER_WRITE_KEY), Region.US)
    assert state_of(source) == ("shadow", True)


def test_key_of_a_source_in_shadow_is_replaced(source):
    services.enter_shadow(source)
    services.replace_write_key(source, Secret(OTHER_WRITE_KEY))
    assert (source.state, source.version) == (SourceState.SHADOW, 2)


def test_database_refuses_a_shadow_without_its_beginning(source):
    with pytest.raises(IntegrityError, match="source_shadow_has_time"):
        Source.objects.filter(pk=source.pk).update(state=SourceState.SHADOW)
