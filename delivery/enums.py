from django.db import models


class BatchState(models.TextChoices):
    """Where a batch stands. `ACCEPTED` is what Segment's 200 means; nothing is ever called delivered.

    The events of a split or replayed batch are in newer ones.
    """

    OPEN = "open", "Open"
    ACCEPTED = "accepted", "Accepted"
    SPLIT = "split", "Split in two"
    QUARANTINED = "quarantined", "Quarantined"
    SET_ASIDE = "set_aside", "Set aside"
    DISCARDED = "discarded", "Discarded"
    REPLAYED = "replayed", "Replayed"


GIVEN_UP = (BatchState.SET_ASIDE, BatchState.QUARANTINED)
"""Not sent again by itself, and not done with: somebody may replay it, until its retention is over."""


class Outcome(models.TextChoices):
    """What came of one request. An attempt without a recorded end stays `UNKNOWN`: it may have reached Segment."""

    UNKNOWN = "unknown", "Unknown (not recorded)"
    ACCEPTED = "accepted", "Accepted"
    NOT_SENT = "not_sent", "Never left (DNS, connect or TLS)"
    TIMEOUT = "timeout", "Timed out"
    BROKEN = "broken", "Connection broke"
    RATE_LIMITED = "rate_limited", "Rate limited (429)"
    REJECTED = "rejected", "Rejected (4xx)"
    KEY_REFUSED = "key_refused", "Write key refused (401, 403)"
    SERVER_ERROR = "server_error", "Segment's error (5xx)"
    REDIRECTED = "redirected", "Redirected (never followed)"
    NOT_CONFIRMED = "not_confirmed", "200 without success"


class Hold(models.TextChoices):
    """Why a lane does not send though its source is connected."""

    KEY_REFUSED = "key_refused", "Segment refuses the write key"
    KEY_MALFORMED = "key_malformed", "Segment does not take the write key as one"
    KEY_UNREADABLE = "key_unreadable", "The stored write key cannot be decrypted"
    REJECTED_REPEATEDLY = "rejected_repeatedly", "Segment rejects one event after another"
    STAFF = "staff", "By our staff"


HOLDS_OF_THE_KEY = (Hold.KEY_REFUSED, Hold.KEY_MALFORMED, Hold.KEY_UNREADABLE)
"""A new write key ends these."""


class RefusalReason(models.TextChoices):
    """Why a call was not captured."""

    SPEC = "spec", "Breaks the Segment Spec"
    TOO_LARGE = "too_large", "Over 32 KB"
    NOT_JSON = "not_json", "Cannot be written as JSON"
    NO_IDENTITY = "no_identity", "Nobody to attach it to: no userId"
    MAPPING_FAILED = "mapping_failed", "The mapping raised an error"
    CAPTURE_FAILED = "capture_failed", "It could not be stored"
