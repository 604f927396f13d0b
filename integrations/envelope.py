"""What every call of this product carries, whatever made it."""

import time
from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings

from integrations.spec.calls import Call


def complete(call: Call) -> Call:
    """A copy of the call with `context.integration`, as Segment asks of sources, and with a `timestamp`.

    Only `context.integration` replaces what the call says. A context that is no object is left for the linter to name.
    """
    context = call.get("context")
    completed = {"timestamp": _now(), **call}
    if context is None or isinstance(context, dict):
        integration = {"name": settings.INTEGRATION_SLUG, "version": settings.INTEGRATION_VERSION}
        completed["context"] = {**(context or {}), "integration": integration}
    return completed


def _now() -> str:
    """ISO-8601 in UTC with milliseconds, the form of Segment's own clients."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1_000_000:03}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    """Thousands of events can be of the same second, and writing it out is most of the work."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[: len("2026-01-31T09:30:00")]
