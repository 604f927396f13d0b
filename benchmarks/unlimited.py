"""The project's Celery app with next to no spacing by the limiter; all else, its question to Redis too, as it is."""

from integrations.spec import limits

# Read once, when the limiter is imported: so before anything of the app is.
setattr(limits, "REQUESTS_PER_SECOND", 1_000_001)  # noqa: B010  # a constant for everybody else

from config.celery import app  # noqa: E402  # only after the line above may the app be imported

__all__ = ["app"]
