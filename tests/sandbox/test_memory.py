"""The bounds of memory, on the store itself: filling them over HTTP would take minutes."""

from datetime import UTC, datetime

import pytest

from sandbox import store as store_module
from sandbox.store import Entry, KeyCounts, State, Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def entry(number, size=10):
    return Entry("us", "key", State.ACCEPTED, "", NOW, f"m-{number}", b"x" * size, "", 1, number)


def test_store_keeps_the_newest_events_and_exact_counts():
    store = Store()
    store.add(entry(number) for number in range(store_module.KEPT_EVENTS + 5))
    assert [store.entries[0].number, len(store.entries)] == [5, store_module.KEPT_EVENTS]
    assert store.counts["us", "key"].states["accepted"] == store_module.KEPT_EVENTS + 5


def test_store_is_bounded_by_bytes():
    store = Store()
    half = store_module.KEPT_EVENT_BYTES // 2
    store.add([entry(1, half), entry(2, half), entry(3, half)])
    assert [kept.number for kept in store.entries] == [2, 3]
    assert store.entry_bytes == 2 * half


def test_store_forgets_the_oldest_message_ids(monkeypatch):
    monkeypatch.setattr(store_module, "KEPT_MESSAGE_IDS", 2)
    store = Store()
    assert [store.first_seen("us", message_id, NOW) for message_id in "abcda"] == [True, True, True, True, True]
    assert store.first_seen("us", "d", NOW) is False


@pytest.mark.parametrize(
    ("times", "most"), [([0.0, 0.5, 0.99], 3), ([0.0, 0.5, 1.0], 2), ([0.9, 1.0, 1.8], 3), ([], 0)]
)
def test_most_in_a_second_slides(times, most):
    counts = KeyCounts()
    for time in times:
        counts.arrived(time)
    assert counts.most_in_a_second == most
