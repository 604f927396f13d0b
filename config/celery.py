"""The Celery application. Django's `config` app imports it, so that every process sends its tasks to our broker."""

import os
import time
from datetime import datetime, timedelta
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Application(Celery):
    """Its time never goes back: beat would sleep for as long as the machine's clock was set back, and wake nobody."""

    _last: datetime | None = None
    _last_at = 0.0

    def now(self) -> datetime:
        told, now = super().now(), time.monotonic()
        if self._last is not None:
            told = max(told, self._last + timedelta(seconds=now - self._last_at))
        self._last, self._last_at = told, now
        return told


app = Application("headwater")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def check_mappings(**_kwargs: Any) -> None:
    """Celery runs Django's checks too, and goes on whatever they say."""
    from integrations.checks import stop_on_broken_mappings

    stop_on_broken_mappings()


@task_prerun.connect
def check_connections(**_kwargs: Any) -> None:
    """A new connection for each task would cost a turn of a small lane more than all it does."""
    from django.db import close_old_connections

    close_old_connections()
