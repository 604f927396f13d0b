"""Counting distinct rows and people exactly, in memory that does not grow with the file."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from delivery.preparing import Prepared
from integrations.spec.calls import Call

SCHEMA: Final = """
CREATE TABLE row (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE person (month TEXT, kind TEXT, id TEXT, PRIMARY KEY (month, kind, id)) WITHOUT ROWID;
"""

EVERY_MONTH: Final = "all"

USERS: Final = """
SELECT count(*) FROM person WHERE month = ?1 AND (
    kind = 'user' OR kind = 'anonymous'
    AND NOT EXISTS (SELECT 1 FROM person AS named WHERE named.month = ?1 AND kind = 'named' AND named.id = person.id)
)
"""


@dataclass(frozen=True, slots=True)
class Month:
    """`month` like 2026-01, or "all" for all of them. Users as Segment counts them: docs/importing.md."""

    month: str
    calls: int
    users: int


class Tally:
    """A private database of SQLite's, in a temporary file when it outgrows a few megabytes."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(SCHEMA)
        self._database.execute("BEGIN")
        self._calls: Counter[str] = Counter()

    def fresh(self, ids: Iterable[str]) -> list[bool]:
        """Of each id whether it comes for the first time; from now on it does not."""
        add = "INSERT OR IGNORE INTO row VALUES (?)"
        return [self._database.execute(add, (each,)).rowcount == 1 for each in ids]

    def add(self, calls: Sequence[tuple[Call, Prepared]]) -> None:
        """Calls that will be sent."""
        people: set[tuple[str, str, str]] = set()
        for call, prepared in calls:
            for month in (prepared.occurred_at[:7], EVERY_MONTH):
                self._calls[month] += 1
                people.update((month, kind, each) for kind, each in _people_of(call))
        self._database.executemany("INSERT OR IGNORE INTO person VALUES (?, ?, ?)", sorted(people))

    def months(self) -> list[Month]:
        """Oldest first; the last is for all of them. Empty when no call was added."""
        return [Month(month, calls, self._users_of(month)) for month, calls in sorted(self._calls.items())]

    def close(self) -> None:
        self._database.close()

    def _users_of(self, month: str) -> int:
        return int(self._database.execute(USERS, (month,)).fetchone()[0])


def _people_of(call: Call) -> list[tuple[str, str]]:
    """An anonymousId that ever comes with a userId is nobody more."""
    user_id, anonymous_id = call.get("userId"), call.get("anonymousId")
    people = [("user", user_id)] if user_id else []
    if anonymous_id:
        people += [("anonymous", anonymous_id)] + ([("named", anonymous_id)] if user_id else [])
    return people
