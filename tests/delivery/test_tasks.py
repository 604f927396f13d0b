from datetime import timedelta

import pytest
from celery import current_app
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from delivery import tasks

pytestmark = pytest.mark.django_db


def test_beat_asks_for_tasks_that_workers_know(settings):
    asked = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert asked <= current_app.tasks.keys()


def test_sessions_that_are_over_go():
    alive, over = SessionStore(), SessionStore()
    for session in (alive, over):
        session.create()
    Session.objects.filter(pk=over.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))
    tasks.clear_sessions()
    assert [session.pk for session in Session.objects.all()] == [alive.session_key]
