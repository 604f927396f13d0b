"""The Celery application. Django's `config` app imports it, so that every process sends its tasks to our broker."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("headwater")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
