"""What every call of this product carries, whatever made it."""

from datetime import UTC, datetime

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
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
