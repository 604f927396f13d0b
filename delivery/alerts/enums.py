from typing import Final

from django.db import models


class IncidentKind(models.TextChoices):
    """What can be wrong with a source. A member chooses which of these to be written to about."""

    KEY_REFUSED = "key_refused", "Segment refuses the write key"
    HELD = "held", "Sending is held"
    BACKLOG = "backlog", "Events wait too long"
    REFUSALS = "refusals", "Many events are refused"
    RETENTION = "retention", "Old events are about to expire unsent"

    @property
    def when_over(self) -> str:
        """What is told when it has recovered; that old events expire is announced and nothing else."""
        return _WHEN_OVER.get(self.value, self.label)


_WHEN_OVER: Final = {
    IncidentKind.KEY_REFUSED.value: "Segment takes the write key again",
    IncidentKind.HELD.value: "Sending goes on",
    IncidentKind.BACKLOG.value: "Events do not wait too long any more",
    IncidentKind.REFUSALS.value: "Few events are refused again",
}


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
