"""The project's Celery app with next to no spacing by the limiter; all else, its question to Redis too, as it is."""

from importlib import import_module

from celery import Celery

from integrations.spec import limits

setattr(limits, "REQUESTS_PER_SECOND", 1_000_001)  # noqa: B010  # a constant for everybody else

# Only now: the limiter reads the constant once, when it is imported.
app: Celery = import_module("config.celery").app
