from django.db import models


class IncidentKind(models.TextChoices):
    """What can be wrong with a source. A member chooses which of these to be written to about."""

    KEY_REFUSED = "key_refused", "Segment refuses the write key"
    HELD = "held", "Sending is held"
    BACKLOG = "backlog", "Events wait too long"
    REFUSALS = "refusals", "Many events are refused at capture"
    RETENTION = "retention", "Old events are about to expire unsent"


class Phase(models.TextChoices):
    """What a mail says of an incident."""

    OPENED = "opened", "Began"
    PASSED = "passed", "Began and is over"
    RECOVERED = "recovered", "Recovered"


class MailState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    NOT_WANTED = "not_wanted", "Not wanted any more"
    GIVEN_UP = "given_up", "Given up"
