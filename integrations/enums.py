from django.db import models


class Region(models.TextChoices):
    """Where a Segment workspace keeps its data. A call sent to the other region is lost without an error."""

    US = "us", "United States (Oregon)"
    EU = "eu", "Europe (Dublin)"

    @property
    def app_host(self) -> str:
        """Where a customer opens Segment: by it they tell the region of their workspace."""
        return "app.segment.com" if self is Region.US else "eu1.app.segment.com"


class SourceState(models.TextChoices):
    """What the customer asked of a source. Whether Segment lets it through is the lane's state, not this."""

    CONNECTED = "connected", "Connected"
    PAUSED = "paused", "Paused"
    SHADOW = "shadow", "In shadow"
    DISCONNECTED = "disconnected", "Disconnected"


CAPTURING_STATES = (SourceState.CONNECTED, SourceState.PAUSED, SourceState.SHADOW)
"""A paused source keeps what happens and sends it later. One in shadow keeps it to be looked at; what of it is sent is
chosen when it goes live. A disconnected one keeps nothing.
"""


class SourceChange(models.TextChoices):
    """What `integrations.signals.source_changed` tells of."""

    CONNECTED = "connected", "Connected"
    KEY_REPLACED = "key_replaced", "Write key replaced"
    REGION_CHANGED = "region_changed", "Region changed"
    PAUSED = "paused", "Paused"
    RESUMED = "resumed", "Resumed"
    SHADOWED = "shadowed", "Put in shadow"
    WENT_LIVE = "went_live", "Switched on"
    DISCONNECTED = "disconnected", "Disconnected"


class KeyPurpose(models.TextChoices):
    """What an API key of a tenant opens, and nothing else."""

    INBOUND = "inbound", "Events from Segment"
    INGEST = "ingest", "Events from your own servers"


class IdentityMode(models.TextChoices):
    """What a source is sent for a person whose userId nobody knows."""

    USER_ID = "user_id", "Nothing: without a userId an event is refused"
    TOOL_ID = "tool_id", "An anonymousId made from our own id of the person"
    EMAIL_HASH = "email_hash", "An anonymousId made from a keyed hash of the email address"


class PersonKeyKind(models.TextChoices):
    """Which field of Segment an id of a person came in."""

    USER = "user", "userId"
    ANONYMOUS = "anonymous", "anonymousId"


class PropertyRule(models.TextChoices):
    """What is done to a property before a call is captured; a property without a rule is kept."""

    DROP = "drop", "Leave it out"
    HASH = "hash", "Send a keyed hash"
