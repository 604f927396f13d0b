import httpx
import pytest

from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY
from tests.sandbox.test_answers import post, states, track


def test_message_id_twice_is_a_duplicate(segment):
    post(segment, [track("m-1"), track("m-1")])
    post(segment, [track("m-1")])
    assert states(segment) == [("accepted", ""), ("duplicate", ""), ("duplicate", "")]


def test_message_id_of_another_key_is_a_duplicate(segment):
    post(segment, [track("order-42")])
    post(segment, [track("order-42")], key=OTHER_WRITE_KEY)
    assert states(segment, OTHER_WRITE_KEY) == [("duplicate", "")]


def test_message_id_of_the_other_region_is_new(segment):
    post(segment, [track("m-1")])
    post(segment, [track("m-1")], region="eu")
    assert states(segment, region="eu") == [("accepted", "")]


@pytest.mark.parametrize(("hours", "state"), [(23.9, "duplicate"), (24.1, "accepted")])
def test_message_id_is_remembered_for_24_hours(segment, hours, state):
    post(segment, [track("m-1")])
    segment.advance(hours * 3_600)
    post(segment, [track("m-1")])
    assert states(segment)[1] == (state, "")


def test_discarded_call_leaves_its_message_id_free(segment):
    post(segment, [{"type": "track", "messageId": "m-1"}, track("m-1")])
    assert states(segment) == [("discarded", "no_user_anon_id"), ("accepted", "")]


def test_counts_are_by_key_and_region(segment):
    post(segment, [track("m-1"), track("m-1"), {"type": "track"}])
    post(segment, [track("m-2")], key=OTHER_WRITE_KEY, region="eu")
    names = ("region", "key", "requests", "accepted", "discarded", "duplicate", "lost")
    assert [tuple(key[name] for name in names) for key in segment.stats()["keys"]] == [
        ("us", "…2345", 1, 1, 1, 1, 0),
        ("eu", "…3210", 1, 1, 0, 0, 0),
    ]


def test_most_requests_in_a_second_are_kept(segment):
    for number in range(3):
        post(segment, [track(f"m-{number}")])
    stats = segment.stats()
    assert stats["requests"] == sum(stats["per_second"].values()) == 3
    assert 1 <= stats["keys"][0]["most_in_a_second"] <= 3


def test_requests_are_listed_oldest_first(segment):
    post(segment, [track("m-1"), track("m-2")])
    post(segment, [track()], key="", region="eu")
    names = ("number", "method", "path", "region", "key", "events", "status")
    assert [tuple(line[name] for name in names) for line in segment.requests()] == [
        (1, "POST", "/us/v1/batch", "us", "…2345", 2, 200),
        (2, "POST", "/eu/v1/batch", "eu", "", 0, 400),
    ]


def test_summary_without_a_key_tells_no_events(segment):
    post(segment, [track()])
    summary = httpx.get(f"{segment.url}/us/debugger.json").json()
    assert [(key["key"], key["accepted"], "call" in key) for key in summary] == [("…2345", 1, False)]


def test_reset_empties_everything(segment):
    post(segment, [track()])
    segment.fault("us", "status")
    segment.register("eu", WRITE_KEY)
    segment.reset()
    assert (segment.requests(), segment.entries("us", WRITE_KEY), segment.stats()["keys"]) == ([], [], [])
    assert post(segment, [track()]).status_code == 200
    assert segment.events("us", WRITE_KEY) == [track()]
