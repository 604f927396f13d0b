"""What a source was sent lately: names to choose from, one real event, and what a choice does to Segment's bill.

Segment bills by calls or by distinct users, so both are told. Every query looks at the newest events only, however many
there are.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson
from django.db import connection
from django.utils import timezone

from delivery.models import Event
from integrations.models import Source
from integrations.property_rules import apply_rules, properties_of
from integrations.spec.calls import Call
from integrations.trial import EVENT, is_trial

LOOKED_AT: Final = 20_000
"""Of the newest events, for names and numbers: some 30 ms. A source with more of them in a week gets an estimate."""

PAYLOADS: Final = 50
DAYS: Final = 7
NAMES: Final = 200
_DAY: Final = timedelta(days=1)

LATELY: Final = """
WITH newest AS MATERIALIZED (
    SELECT type, name, user_id, captured_at FROM delivery_event WHERE source_id = %(source)s
    ORDER BY id DESC LIMIT %(limit)s
), week AS (
    SELECT user_id, captured_at, type = 'track' AND name = ANY(%(off)s::text[]) AS off,
        floor(extract(epoch FROM statement_timestamp() - captured_at) / 86400)::int AS day
    FROM newest WHERE captured_at > statement_timestamp() - make_interval(days => %(days)s)
), users AS (
    SELECT count(*) AS calls, count(*) FILTER (WHERE NOT off) AS calls_after, min(captured_at) AS first
    FROM week GROUP BY day, user_id
)
SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(calls_after), 0)::bigint,
    count(*), count(*) FILTER (WHERE calls_after > 0), min(first), (SELECT count(*) FROM newest)
FROM users
"""
# Grouped first: count(DISTINCT (day, user_id)) sorts all rows twice, and takes two to three times as long.

TRACKED: Final = """
SELECT DISTINCT name FROM (
    SELECT type, name FROM delivery_event WHERE source_id = %s ORDER BY id DESC LIMIT %s
) AS newest WHERE type = 'track' AND name <> %s ORDER BY name LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Bill:
    """Calls and distinct users of a day, on average over the last week, as it was and as it would have been."""

    calls: int
    calls_after: int
    users: int
    users_after: int
    is_estimate: bool
    """There were more than could be looked at: the newest stand for the week. Then there are at least so many users."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A real event as it was captured, and as it would be; `after` None when it would not be sent at all."""

    name: str
    before: str
    after: str | None


def bill(source: Source, events_off: Collection[str]) -> Bill:
    """One query."""
    asked: dict[str, int | list[str]] = {"source": source.pk, "limit": LOOKED_AT, "off": list(events_off), "days": DAYS}
    with connection.cursor() as cursor:
        cursor.execute(LATELY, asked)
        [(calls, calls_after, users, users_after, first, looked_at)] = cursor.fetchall()
    is_estimate = looked_at == LOOKED_AT == calls
    now = timezone.now()
    span = now - first if is_estimate else min(timedelta(days=DAYS), max(now - source.created_at, _DAY))
    days = max(span / _DAY, 1 / 86_400)
    # Who came within an hour comes back within the day: users are not multiplied up from less than a day.
    user_days = max(days, 1)
    return Bill(
        calls=round(calls / days),
        calls_after=round(calls_after / days),
        users=round(users / user_days),
        users_after=round(users_after / user_days),
        is_estimate=is_estimate,
    )


def tracked_names(source: Source) -> list[str]:
    """The names of the tracks among the source's newest events."""
    with connection.cursor() as cursor:
        cursor.execute(TRACKED, [source.pk, LOOKED_AT, EVENT, NAMES])
        return [name for (name,) in cursor.fetchall()]


def newest_calls(source: Source) -> list[Call]:
    """The newest events as they were captured, newest first; a test's, and what has been erased, is left out."""
    events = Event.objects.filter(source=source).order_by("-pk").values_list("payload", flat=True)[:PAYLOADS]
    calls = (orjson.loads(payload) for payload in events if payload)
    return [call for call in calls if not is_trial(call)]


def property_names(calls: Iterable[Call]) -> list[str]:
    """The most frequent names of properties and traits: more than so many make a form that nobody can send."""
    counted = Counter(name for call in calls for name in properties_of(call))
    return [name for name, _count in counted.most_common(NAMES)]


def preview(
    source: Source, calls: list[Call], events_off: Collection[str], property_rules: Mapping[str, str]
) -> Preview | None:
    """Of the newest event that the choice changes, else of the newest; None without any.

    An event was captured by the rules of its time: only a rule that is new is tried on it.
    """
    new = {name: rule for name, rule in property_rules.items() if source.property_rules.get(name) != rule}
    changed = (call for call in calls if _is_off(call, events_off) or properties_of(call).keys() & new.keys())
    call = next(changed, None) or next(iter(calls), None)
    if call is None:
        return None
    after = None if _is_off(call, events_off) else _pretty(apply_rules(new, source.tenant_id, call))
    return Preview(call.get("event") or call.get("name") or call.get("type", ""), _pretty(call), after)


def _is_off(call: Call, events_off: Collection[str]) -> bool:
    return call.get("type") == "track" and call.get("event") in events_off


def _pretty(call: Any) -> str:
    return orjson.dumps(call, option=orjson.OPT_INDENT_2).decode()
