"""What can be done to a source. Each service is one transaction that locks the source, checks its state, changes it and
tells `source_changed`; a receiver that fails undoes the change.

`source` is read anew under the lock, into the caller's own object.
"""

from collections.abc import Collection, Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.enums import CAPTURING_STATES, IdentityMode, PropertyRule, Region, SourceChange, SourceState
from integrations.errors import SourceNameError, SourceStateError
from integrations.locking import locked_source
from integrations.models import Source, WriteKey
from integrations.secrets import Secret
from integrations.signals import source_changed
from integrations.write_keys import clean_write_key
from tenants.models import Tenant
from tenants.scoping import scope


def connect_source(
    tenant: Tenant,
    *,
    name: str,
    region: Region,
    write_key: Secret,
    events_off: Collection[str] = (),
    in_shadow: bool = False,
) -> Source:
    """A new source that captures, all but `events_off`, and, unless it is in shadow, sends from now on.

    Raises SourceNameError or WriteKeyError.
    """
    source = Source(tenant=tenant, name=name, region=Region(region), events_off=sorted(set(events_off)))
    if in_shadow:
        _put_in_shadow(source)
    with transaction.atomic(), scope(tenant.pk):
        _save_named(source)
        _store_write_key(source, write_key)
        _tell(source, SourceChange.CONNECTED)
    return source


def reconnect_source(source: Source, write_key: Secret, region: Region, *, in_shadow: bool = False) -> None:
    """Connect a disconnected source again; what it captured before is sent with the new key, to the new region.

    One that was in shadow is so again: nothing that it captured is sent without asking. `in_shadow` puts it there anew,
    and keeps what waits from before until it goes live.
    """
    with locked_source(source):
        _require(source, SourceState.DISCONNECTED, instead="it is connected already")
        source.region = Region(region)
        if source.shadow_since:
            source.state = SourceState.SHADOW
        elif in_shadow:
            _put_in_shadow(source)
        else:
            source.state = SourceState.CONNECTED
        _store_write_key(source, write_key)
        _save_with_new_credentials(source, SourceChange.CONNECTED)


def replace_write_key(source: Source, write_key: Secret) -> None:
    """Use another write key from now on. The same key again is fine: it repairs one that cannot be decrypted."""
    with locked_source(source):
        _require_connection(source)
        _store_write_key(source, write_key)
        _save_with_new_credentials(source, SourceChange.KEY_REPLACED)


def change_region(source: Source, region: Region) -> None:
    with locked_source(source):
        _require_connection(source)
        if source.region == region:
            raise SourceStateError(f"“{source.name}” already sends to {source.get_region_display()}.")
        source.region = Region(region)
        _save_with_new_credentials(source, SourceChange.REGION_CHANGED)


def pause_source(source: Source) -> None:
    """Go on capturing, send nothing."""
    with locked_source(source):
        _require(source, SourceState.CONNECTED, instead=f"it is {source.state}")
        _save_state(source, SourceState.PAUSED, SourceChange.PAUSED)


def resume_source(source: Source) -> None:
    """Send again, what was captured meanwhile first."""
    with locked_source(source):
        _require(source, SourceState.PAUSED, instead=f"it is {source.state}")
        _save_state(source, SourceState.CONNECTED, SourceChange.RESUMED)


def enter_shadow(source: Source) -> None:
    """Go on capturing, send nothing, and ask before anything captured from now on is sent.

    What waits from before stays owed: it is sent when the source goes live.
    """
    with locked_source(source):
        if source.state not in {SourceState.CONNECTED, SourceState.PAUSED}:
            raise SourceStateError(f"“{source.name}” is {source.get_state_display().lower()}. Nothing was changed.")
        _put_in_shadow(source)
        source.save(update_fields=["state", "shadow_since", "changed_at"])
        _tell(source, SourceChange.SHADOWED)


def go_live(source: Source) -> None:
    """Send everything that waits. What of the shadow is not to be sent is taken away first: delivery/shadow.py."""
    with locked_source(source):
        _require(source, SourceState.SHADOW, instead=f"it is {source.get_state_display().lower()}")
        source.state, source.shadow_since = SourceState.CONNECTED, None
        source.save(update_fields=["state", "shadow_since", "changed_at"])
        _tell(source, SourceChange.WENT_LIVE)


def disconnect_source(source: Source) -> None:
    """Stop capturing and sending, and erase the write key. Events that wait are kept."""
    with locked_source(source):
        _require_connection(source)
        WriteKey.objects.filter(source=source).delete()
        _save_state(source, SourceState.DISCONNECTED, SourceChange.DISCONNECTED)


def rename_source(source: Source, name: str) -> None:
    """Raises SourceNameError. The name is ours alone, Segment never sees it, so nobody is told of the change."""
    with locked_source(source):
        source.name = name
        _save_named(source, ["name"])


def choose_what_is_sent(
    source: Source, *, identity: IdentityMode, events_off: Collection[str], property_rules: Mapping[str, PropertyRule]
) -> None:
    """Which events a source is sent, and what of them; it holds for what is captured from now on."""
    with locked_source(source):
        source.identity = identity
        source.events_off = sorted(set(events_off))
        source.property_rules = dict(sorted(property_rules.items()))
        source.save(update_fields=["identity", "events_off", "property_rules"])


def _put_in_shadow(source: Source) -> None:
    source.state, source.shadow_since = SourceState.SHADOW, timezone.now()


def _require(source: Source, state: SourceState, *, instead: str) -> None:
    if source.state != state:
        raise SourceStateError(f"“{source.name}” is not {state.label.lower()}: {instead}. Nothing was changed.")


def _require_connection(source: Source) -> None:
    if source.state not in CAPTURING_STATES:
        raise SourceStateError(f"“{source.name}” is disconnected: reconnect it first. Nothing was changed.")


def _store_write_key(source: Source, write_key: Secret) -> None:
    stored = WriteKey.objects.filter(source=source).first() or WriteKey(source=source)
    stored.seal(clean_write_key(write_key.reveal()))
    stored.save()


def _save_with_new_credentials(source: Source, change: SourceChange) -> None:
    source.version += 1
    source.save()
    _tell(source, change)


def _save_state(source: Source, state: SourceState, change: SourceChange) -> None:
    source.state = state
    source.save(update_fields=["state", "changed_at"])
    _tell(source, change)


def _save_named(source: Source, fields: list[str] | None = None) -> None:
    """Saves in a savepoint and leaves it to the database to say that a name is taken: asking first would race."""
    try:
        with transaction.atomic():
            source.save(update_fields=fields)
    except IntegrityError as error:
        if "source_name_once" not in str(error):
            raise
        raise SourceNameError(f"There is a source named “{source.name}” already. Choose another name.") from None


def _tell(source: Source, change: SourceChange) -> None:
    source_changed.send(sender=Source, source=source, change=change)
