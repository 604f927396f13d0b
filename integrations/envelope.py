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
    return _written(time.time_ns() // 1_000_000)


@lru_cache(maxsize=1)
def _written(milliseconds: int) -> str:
    """ISO-8601 in UTC, the form of Segment's own clients. Tens of calls can be of the same millisecond."""
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
