import threading
from datetime import timedelta

import pytest
from django.db.models import F

from delivery.alerts.models import Incident
from delivery.enums import Hold
from delivery.models import Lane
from tenants.scoping import every_tenant

REASON = "Segment refuses the write key. Paste the one that is shown in Segment."


@pytest.fixture(autouse=True)
def _see_everything():
    with every_tenant():
        yield


def hold(source, why=Hold.KEY_REFUSED, reason=REASON):
    from delivery.clock import ClockTimestamp

    Lane.objects.update_or_create(
        source=source, defaults={"hold": why, "hold_reason": reason, "held_at": ClockTimestamp()}
    )


def release(source):
    Lane.objects.filter(source=source).update(hold="", hold_reason="", held_at=None)


def age_news(minutes=1):
    """Let so much time pass for what is still to be told."""
    news, earlier = Incident.objects.filter(is_news=True), timedelta(minutes=minutes)
    news.update(opened_at=F("opened_at") - earlier, closed_at=F("closed_at") - earlier)


def at_once(run, times=2):
    """In so many threads, from the same moment on."""
    from tests.delivery.steps import in_thread

    barrier = threading.Barrier(times)

    def together():
        barrier.wait(10)
        return run()

    return [each.result(30) for each in [in_thread(together) for _ in range(times)]]
