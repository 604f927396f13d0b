import threading

import pytest
from django.db import connection

from integrations import services
from integrations.enums import Region, SourceChange, SourceState
from integrations.errors import SourceNameError, SourceStateError, WriteKeyError
from integrations.models import Source, WriteKey
from integrations.secrets import Secret
from integrations.signals import source_changed
from tenants.models import Tenant
from tenants.scoping import every_tenant
from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY, make_source

pytestmark = pytest.mark.usefixtures("everything")


@pytest.fixture
def changes():
    """What `source_changed` told, and whether it was told inside a transaction."""
    told = []

    def hear(source, change, **_):
        told.append((source.pk, change, connection.in_atomic_block))

    source_changed.connect(hear, sender=Source)
    yield told
    source_changed.disconnect(hear, sender=Source)


def stored_key(source: Source) -> str | None:
    row = WriteKey.objects.filter(source=source).first()
    return row.unseal().reveal() if row else None


def as_stored(source: Source) -> tuple[str, str, int]:
    fresh = Source.objects.get(pk=source.pk)
    return fresh.state, fresh.region, fresh.version


def test_connect_source_stores_ciphertext_and_tells(tenant, changes):
    source = services.connect_source(tenant, name="Main", region=Region.EU, write_key=Secret(f" {WRITE_KEY}\n"))

    row = WriteKey.objects.get(source=source)
    assert as_stored(source) == ("connected", "eu", 1)
    assert WRITE_KEY.encode() not in bytes(row.ciphertext)
    assert (row.unseal().reveal(), row.last_four) == (WRITE_KEY, "2345")
    assert changes == [(source.pk, SourceChange.CONNECTED, True)]


def test_connect_source_refuses_a_taken_name_and_leaves_the_transaction_usable(tenant, source, changes):
    with pytest.raises(SourceNameError, match="There is a source named “Main” already"):
        services.connect_source(tenant, name="Main", region=Region.US, write_key=Secret(OTHER_WRITE_KEY))

    assert list(Source.objects.all()) == [source]
    assert WriteKey.objects.count() == 1
    assert changes == []


def test_connect_source_takes_the_name_of_another_tenants_source(source, other_tenant):
    assert make_source(other_tenant, WRITE_KEY, name=source.name).name == source.name


@pytest.mark.django_db(transaction=True)
def test_connect_source_twice_at_once_makes_one(tenant):
    at_once = threading.Barrier(2)
    outcomes = []

    def connect():
        at_once.wait()
        try:
            make_source(tenant, WRITE_KEY)
            outcomes.append("connected")
        except SourceNameError:
            outcomes.append("name taken")
        finally:
            connection.close()

    threads = [threading.Thread(target=connect) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["connected", "name taken"]
    assert Source.objects.count() == WriteKey.objects.count() == 1


def test_connect_source_with_an_impossible_key_leaves_nothing(tenant, changes):
    with pytest.raises(WriteKeyError):
        services.connect_source(tenant, name="Main", region=Region.US, write_key=Secret("a:b"))

    assert not Source.objects.exists()
    assert changes == []


def test_connect_source_with_an_unknown_region_leaves_nothing(tenant):
    with pytest.raises(ValueError, match="'mars' is not a valid Region"):
        services.connect_source(tenant, name="Main", region="mars", write_key=Secret(WRITE_KEY))  # type: ignore[arg-type]  # the mistake itself

    assert not Source.objects.exists()


def test_a_receiver_that_fails_undoes_the_change(source):
    def fail(**_):
        raise RuntimeError("the receiver failed")

    source_changed.connect(fail, sender=Source)
    try:
        with pytest.raises(RuntimeError, match="the receiver failed"):
            services.disconnect_source(source)
    finally:
        source_changed.disconnect(fail, sender=Source)

    assert as_stored(source) == ("connected", "us", 1)
    assert stored_key(source) == WRITE_KEY


def test_replace_write_key_raises_the_version(source, changes):
    services.replace_write_key(source, Secret(OTHER_WRITE_KEY))

    assert as_stored(source) == ("connected", "us", 2)
    assert source.version == 2
    assert stored_key(source) == OTHER_WRITE_KEY
    assert WriteKey.objects.get(source=source).last_four == "3210"
    assert changes == [(source.pk, SourceChange.KEY_REPLACED, True)]


def test_change_region_raises_the_version(source, changes):
    services.change_region(source, Region.EU)

    assert as_stored(source) == ("connected", "eu", 2)
    assert changes == [(source.pk, SourceChange.REGION_CHANGED, True)]


def test_change_region_to_the_same_changes_nothing(source, changes):
    with pytest.raises(SourceStateError, match=r"already sends to United States \(Oregon\)"):
        services.change_region(source, Region.US)

    assert as_stored(source) == ("connected", "us", 1)
    assert changes == []


def test_pause_and_resume_keep_the_version(source, changes):
    services.pause_source(source)
    assert as_stored(source) == ("paused", "us", 1)

    services.resume_source(source)
    assert as_stored(source) == ("connected", "us", 1)
    assert [change for _, change, _ in changes] == [SourceChange.PAUSED, SourceChange.RESUMED]


def test_disconnect_source_erases_the_key(source, changes):
    services.disconnect_source(source)

    assert as_stored(source) == ("disconnected", "us", 1)
    assert stored_key(source) is None
    assert changes == [(source.pk, SourceChange.DISCONNECTED, True)]


def test_reconnect_source_has_a_new_key_region_and_version(source, changes):
    services.disconnect_source(source)

    services.reconnect_source(source, Secret(OTHER_WRITE_KEY), Region.EU)

    assert as_stored(source) == ("connected", "eu", 2)
    assert stored_key(source) == OTHER_WRITE_KEY
    assert changes[-1] == (source.pk, SourceChange.CONNECTED, True)


def test_rename_source_tells_nobody(source, changes):
    services.rename_source(source, "Production")

    assert Source.objects.get(pk=source.pk).name == "Production"
    assert changes == []


def test_rename_source_refuses_a_taken_name(tenant, source):
    make_source(tenant, OTHER_WRITE_KEY, name="Second")

    with pytest.raises(SourceNameError):
        services.rename_source(source, "Second")

    assert Source.objects.get(pk=source.pk).name == "Main"


WRONG_STATE = {
    SourceState.CONNECTED: [
        services.resume_source,
        lambda s: services.reconnect_source(s, Secret(WRITE_KEY), Region.EU),
    ],
    SourceState.PAUSED: [services.pause_source, lambda s: services.reconnect_source(s, Secret(WRITE_KEY), Region.EU)],
    SourceState.DISCONNECTED: [
        services.pause_source,
        services.resume_source,
        services.disconnect_source,
        lambda s: services.replace_write_key(s, Secret(OTHER_WRITE_KEY)),
        lambda s: services.change_region(s, Region.EU),
    ],
}


@pytest.mark.parametrize(("state", "act"), [(state, act) for state, acts in WRONG_STATE.items() for act in acts])
def test_services_refuse_in_the_wrong_state(source, changes, state, act):
    if state == SourceState.PAUSED:
        services.pause_source(source)
    if state == SourceState.DISCONNECTED:
        services.disconnect_source(source)
    before, told = (as_stored(source), stored_key(source)), len(changes)

    with pytest.raises(SourceStateError, match="“Main” is"):
        act(source)

    assert (as_stored(source), stored_key(source)) == before
    assert len(changes) == told


def test_services_judge_the_state_in_the_database_not_in_hand(source):
    in_another_hand = Source.objects.get(pk=source.pk)
    services.pause_source(source)

    with pytest.raises(SourceStateError, match="is not connected: it is paused"):
        services.pause_source(in_another_hand)

    assert in_another_hand.state == SourceState.PAUSED


@pytest.mark.django_db(transaction=True)
def test_services_wait_for_each_other_and_then_judge_anew(source):
    """The second asks while the first has changed the source and not committed."""
    outcomes = []

    def pause():
        with every_tenant():
            try:
                services.pause_source(Source.objects.get(pk=source.pk))
                outcomes.append("paused")
            except SourceStateError as error:
                outcomes.append(str(error))
            finally:
                connection.close()

    second = threading.Thread(target=pause)

    def let_the_second_run_into_the_lock(**_):
        if not second.ident:
            second.start()
            wait_until_somebody_waits_for_a_lock()

    source_changed.connect(let_the_second_run_into_the_lock, sender=Source)
    try:
        services.pause_source(source)
        second.join()
    finally:
        source_changed.disconnect(let_the_second_run_into_the_lock, sender=Source)

    assert outcomes == ["“Main” is not connected: it is paused. Nothing was changed."]


def wait_until_somebody_waits_for_a_lock() -> None:
    with connection.cursor() as cursor:
        for _ in range(500):
            cursor.execute("SELECT pg_sleep(0.01), count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[1]:
                return
    raise AssertionError("Nobody waited.")


def test_services_say_that_a_source_is_gone(tenant, source):
    Tenant.objects.filter(pk=tenant.pk).delete()

    with pytest.raises(SourceStateError, match="no longer exists"):
        services.pause_source(source)
