"""What a source was sent lately: names to choose from, one real event, and what a choice does to Segment's bill.

Segment bills by calls or by distinct users, so both are told. Every query looks at the newest events only, however many
there are.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson
from django.db import connection
from django.utils import timezone

from delivery.models import Event
from integrations.anonymous import Stranger, unnamed
from integrations.enums import IdentityMode, PropertyRule
from integrations.models import Source
from integrations.property_rules import apply_rules, properties_of
from integrations.shaping import anonymous_id_by
from integrations.spec.calls import Call
from integrations.trial import EVENT, is_trial

LOOKED_AT: Final = 20_000
"""Of the newest events, for names and numbers: some 30 ms. A source with more of them in a week gets an estimate."""

PAYLOADS: Final = 50
DAYS: Final = 7
NAMES: Final = 200
_DAY: Final = timedelta(days=1)
_HASH: Final = re.compile("[0-9a-f]{64}")

LATELY: Final = """
WITH newest AS MATERIALIZED (
    SELECT type, name, user_id, captured_at FROM delivery_event WHERE source_id = %(source)s
    ORDER BY id DESC LIMIT %(limit)s
), week AS (
    SELECT user_id, captured_at, type = 'track' AND name = ANY(%(off)s::text[]) AS off,
        floor(extract(epoch FROM statement_timestamp() - captured_at) / 86400)::int AS day
    FROM newest WHERE captured_at > statement_timestamp() - make_interval(days => %(days)s)
), users AS (
    SELECT count(*) AS calls, min(captured_at) AS first, CASE
        WHEN %(refuses_strangers)s AND (
            SELECT min(value) FROM integrations_anonymousid WHERE source_id = %(source)s
        ) IS NOT NULL AND EXISTS (
            SELECT FROM integrations_anonymousid AS ours
            WHERE ours.source_id = %(source)s AND ours.value = week.user_id AND ours.user_id = ''
        ) THEN 0 ELSE count(*) FILTER (WHERE NOT off)
    END AS calls_after
    FROM week GROUP BY day, user_id
)
SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(calls_after), 0)::bigint,
    count(*), count(*) FILTER (WHERE calls_after > 0), min(first), (SELECT count(*) FROM newest)
FROM users
"""
# Grouped first: count(DISTINCT (day, user_id)) sorts all rows twice, and takes two to three times as long. Whether
# there is an anonymousId of ours at all is asked once, so that no user is looked up for a source that was never sent
# one: by the least, which an index has, where EXISTS may read the table.

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
    is_refused: bool = False
    """It is not sent because nothing would tell whose it is."""


def bill(source: Source, events_off: Collection[str], identity: str) -> Bill:
    """One query."""
    asked: dict[str, int | list[str]] = {
        "source": source.pk,
        "limit": LOOKED_AT,
        "off": list(events_off),
        "days": DAYS,
        "refuses_strangers": identity == IdentityMode.USER_ID,
    }
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
    source: Source, calls: list[Call], events_off: Collection[str], property_rules: Mapping[str, str], identity: str
) -> Preview | None:
    """Of the newest event that the choice changes, else of the newest; None without any.

    An event was captured by the rules of its time: those that the source has by now may be tried on it for the first
    time, too. One query when an event has no userId, else none.
    """
    strangers = unnamed(source, {call["anonymousId"] for call in calls if _is_nameless(call)})
    new = {name for name, rule in property_rules.items() if source.property_rules.get(name) != rule}
    changed = (
        call
        for call in calls
        if _is_off(call, events_off)
        or properties_of(call).keys() & new
        or (identity != source.identity and call.get("anonymousId") in strangers)
    )
    call = next(changed, None) or next(iter(calls), None)
    if call is None:
        return None
    name, before = call.get("event") or call.get("name") or call.get("type", ""), _pretty(call)
    if _is_off(call, events_off):
        return Preview(name, before, None)
    identified = _identified(source, identity, strangers, call)
    if identified is None:
        return Preview(name, before, None, is_refused=True)
    rules = _due(source, property_rules, call)
    return Preview(name, before, _pretty(apply_rules(rules, source.tenant_id, identified)))


def _is_nameless(call: Call) -> bool:
    return call.get("userId") is None and isinstance(call.get("anonymousId"), str)


def _identified(source: Source, identity: str, strangers: Mapping[str, Stranger], call: Call) -> Call | None:
    """The call with the anonymousId that this setting makes; None when it makes none, and there is no other id."""
    stranger = strangers.get(call["anonymousId"]) if _is_nameless(call) else None
    if stranger is None:
        return call
    anonymous_id = anonymous_id_by(identity, source.tenant_id, stranger.tool_id, stranger.email)
    return {**call, "anonymousId": anonymous_id} if anonymous_id else None


def _due(source: Source, property_rules: Mapping[str, str], call: Call) -> dict[str, str]:
    """The rules without those by which the call's values were hashed when it was captured."""
    told, saved = properties_of(call), source.property_rules
    hashed = {
        name
        for name, rule in property_rules.items()
        if rule == saved.get(name) == PropertyRule.HASH and _HASH.fullmatch(str(told.get(name)))
    }
    return {name: rule for name, rule in property_rules.items() if name not in hashed}


def _is_off(call: Call, events_off: Collection[str]) -> bool:
    return call.get("type") == "track" and call.get("event") in events_off


def _pretty(call: Any) -> str:
    return orjson.dumps(call, option=orjson.OPT_INDENT_2).decode()
