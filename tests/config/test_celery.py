from datetime import datetime, timedelta

import pytest
from celery.app import base
from celery.schedules import crontab, schedule

from config.celery import Application


@pytest.fixture
def shift(monkeypatch):
    """Sets the machine's clock so many hours ahead or back, as Celery reads it."""

    def by(hours):
        class Shifted(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + timedelta(hours=hours)

        monkeypatch.setattr(base, "datetime", Shifted)

    return by


@pytest.fixture
def app():
    return Application("test", set_as_current=False)


def test_now_does_not_go_back_with_the_clock_and_goes_on(app, shift):
    before = app.now()
    shift(-1)
    after = [app.now() for _ in range(3)]
    assert sorted([before, *after]) == [before, *after]
    assert after[-1] > before


def test_now_goes_ahead_with_the_clock(app, shift):
    before = app.now()
    shift(1)
    assert app.now() - before >= timedelta(hours=1)


@pytest.mark.parametrize("when", [schedule(1.0), crontab(minute="*")])
def test_what_beat_asks_for_is_due_though_the_clock_was_set_back(app, shift, when):
    when.app = app
    last = app.now() - timedelta(minutes=2)
    shift(-1)
    assert when.is_due(last).is_due
