"""Each answer of Segment's API that segment.md gives, over real HTTP."""

import gzip
import json
from datetime import datetime

import httpx
import pytest

from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY


def track(message_id="m-1", **fields):
    return {"type": "track", "userId": "u-1", "event": "Email Opened", "messageId": message_id, **fields}


def post(segment, calls, *, key=WRITE_KEY, region="us", **body):
    return httpx.post(f"{segment.url}/{region}/v1/batch", json={"batch": calls, **body}, auth=(key, ""))


def post_text(segment, text, path="/us/v1/batch", **headers):
    headers = {"Content-Type": "application/json", **headers}
    return httpx.post(segment.url + path, content=text, headers=headers, auth=(WRITE_KEY, ""))


def states(segment, key=WRITE_KEY, region="us"):
    return [(entry["state"], entry["reason"]) for entry in segment.entries(region, key)]


def test_batch_is_accepted(segment):
    answer = post(segment, [track("m-1"), track("m-2")])
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert segment.events("us", WRITE_KEY) == [track("m-1"), track("m-2")]


def test_event_is_stored_under_its_key_and_region_only(segment):
    post(segment, [track()])
    assert segment.events("eu", WRITE_KEY) == []
    assert segment.events("us", OTHER_WRITE_KEY) == []


def test_import_is_the_old_name_of_batch(segment):
    post_text(segment, json.dumps({"batch": [track()]}), "/eu/v1/import")
    assert segment.events("eu", WRITE_KEY) == [track()]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("identify", {"traits": {"email": "a@b.test"}}),
        ("track", {"event": "Signed Up"}),
        ("page", {"name": "Home"}),
        ("screen", {"name": "Home"}),
        ("group", {"groupId": "g-1"}),
        ("alias", {"previousId": "u-0"}),
    ],
)
def test_single_call_is_accepted_with_its_type(segment, kind, fields):
    answer = post_text(segment, json.dumps({"userId": "u-1", **fields}), f"/us/v1/{kind}")
    assert answer.json() == {"success": True}
    assert segment.events("us", WRITE_KEY) == [{"type": kind, "userId": "u-1", **fields}]


def test_write_key_in_the_body_works_and_is_not_kept(segment):
    answer = httpx.post(f"{segment.us_url}/track", json={**track(), "writeKey": WRITE_KEY})
    assert answer.status_code == 200
    assert segment.events("us", WRITE_KEY) == [track()]
    assert segment.stats()["keys"][0]["requests"] == 1


def test_write_key_is_told_nowhere(segment):
    post(segment, [{**track(), "writeKey": WRITE_KEY}], writeKey=WRITE_KEY)
    segment.fault("us", "status", key=WRITE_KEY)
    paths = ["/", "/?open=1", "/us/debugger.json", "/_control/requests", "/_control/stats", "/_control/faults"]
    pages = [httpx.get(segment.url + path).text for path in paths]
    assert [path for path, page in zip(paths, pages, strict=True) if "2345" not in page] == []
    assert [path for path, page in zip(paths, pages, strict=True) if WRITE_KEY in page] == []


@pytest.mark.parametrize("key", ["", "short"])
def test_short_key_is_answered_400(segment, key):
    answer = post(segment, [track()], key=key)
    assert (answer.status_code, answer.json()) == (400, {"success": False, "message": "invalid write key"})


def test_unknown_key_is_answered_200(segment):
    assert post(segment, [track()], key="x" * 32).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b'{"batch": {}}',
        b'{"batch": [{"type": "track", "properties": {"value": NaN}}]}',
        b'{"batch": [{"type": "track", "properties": {"value": "\\ud800"}}]}',
        b'{"batch": [{"type": "track", "event": "\xff"}]}',
    ],
)
def test_bad_json_is_answered_400(segment, text):
    assert post_text(segment, text).status_code == 400
    assert segment.entries("us", WRITE_KEY) == []


def test_other_content_type_is_answered_400(segment):
    assert post_text(segment, json.dumps({"batch": [track()]}), **{"Content-Type": "text/plain"}).status_code == 400


def batch_of_bytes(size):
    calls = [track(f"m-{number}", properties={"filler": "x" * 30_000}) for number in range(16)]
    frame = len(json.dumps({"batch": calls, "filler": ""}))
    return json.dumps({"batch": calls, "filler": "x" * (size - frame)}).encode()


def test_batch_of_500_000_bytes_is_accepted(segment):
    assert post_text(segment, batch_of_bytes(500_000)).status_code == 200


def test_batch_of_500_001_bytes_is_answered_400(segment):
    assert post_text(segment, batch_of_bytes(500_001)).status_code == 400
    assert segment.entries("us", WRITE_KEY) == []


def test_huge_body_is_answered_400(segment):
    assert post_text(segment, b" " * 9_000_000).status_code == 400


def event_of_bytes(size):
    frame = len(json.dumps(track(filler=""), separators=(",", ":")))
    return track(filler="x" * (size - frame))


@pytest.mark.parametrize(("size", "status"), [(32_000, 200), (32_001, 400)])
def test_one_event_over_32_kb_makes_its_batch_a_400(segment, size, status):
    answer = post(segment, [track("m-0"), event_of_bytes(size)])
    assert answer.status_code == status
    assert len(segment.entries("us", WRITE_KEY)) == (2 if status == 200 else 0)


@pytest.mark.parametrize(("size", "status"), [(32_000, 200), (32_001, 400)])
def test_single_call_over_32_kb_is_answered_400(segment, size, status):
    text = json.dumps(event_of_bytes(size), separators=(",", ":"))
    assert post_text(segment, text, "/us/v1/track").status_code == status


def test_batch_over_2500_events_is_answered_200_and_thrown_away(segment):
    calls = [track(f"m-{number}") for number in range(2_501)]
    assert post(segment, calls[:2_500]).json() == {"success": True}
    assert len(segment.events("us", WRITE_KEY)) == 2_500
    segment.reset()
    assert post(segment, calls).json() == {"success": True}
    assert states(segment) == [("discarded", "too_many_events")] * 2_501


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"type": "track", "event": "Signed Up"}, "no_user_anon_id"),
        ({"type": "track", "event": "Signed Up", "userId": None}, "no_user_anon_id"),
        ({"type": "track", "event": "Signed Up", "userId": 7}, "id_not_string"),
        ({"type": "track", "event": "Signed Up", "anonymousId": ""}, "id_not_string"),
        ({"type": "track", "userId": "u"}, "event_not_defined"),
        ({"type": "track", "userId": "u", "event": ""}, "event_not_defined"),
        ({"type": "track", "userId": "u", "event": 7}, "event_not_string"),
        ({"type": "track", "userId": "u", "event": "Signed Up", "properties": []}, "properties_not_object"),
        ({"type": "identify", "userId": "u", "traits": "x"}, "traits_not_object"),
        ({"type": "page", "userId": "u", "name": 7}, "name_not_string"),
        ({"type": "screen", "userId": "u", "category": ""}, "category_not_string"),
        ({"type": "group", "userId": "u"}, "id_required"),
        ({"type": "alias", "userId": "u", "previousId": 7}, "id_not_string"),
        ({"type": "track", "userId": "u", "event": "Signed Up", "messageId": "m" * 100}, "message_id_invalid"),
        ({"type": "open", "userId": "u"}, "type_unknown"),
        ("track", "call_not_object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_call_is_discarded_after_the_200(segment, call, reason):
    assert post(segment, [call, track("m-good")]).json() == {"success": True}
    assert states(segment) == [("discarded", reason), ("accepted", "")]


def test_empty_batch_is_discarded(segment):
    assert post(segment, []).json() == {"success": True}
    assert states(segment) == [("discarded", "empty_batch")]


def test_disabled_source_discards(segment):
    segment.register("us", WRITE_KEY, enabled=False)
    post(segment, [track()])
    assert states(segment) == [("discarded", "source_disabled")]


def test_registered_key_in_the_other_region_is_answered_200_and_lost(segment):
    segment.register("eu", WRITE_KEY)
    assert post(segment, [track()]).json() == {"success": True}
    assert segment.entries("us", WRITE_KEY) == []
    assert [key["lost"] for key in segment.stats()["keys"]] == [1]
    post(segment, [track()], region="eu")
    assert segment.events("eu", WRITE_KEY) == [track()]


def test_gzip_is_accepted(segment):
    text = gzip.compress(json.dumps({"batch": [track()]}).encode())
    assert post_text(segment, text, **{"Content-Encoding": "gzip"}).status_code == 200
    assert segment.events("us", WRITE_KEY) == [track()]


def test_gzip_is_measured_unpacked(segment):
    text = gzip.compress(b" " * 5_000_000)
    assert post_text(segment, text, **{"Content-Encoding": "gzip"}).status_code == 400


def test_broken_gzip_is_answered_400(segment):
    assert post_text(segment, b"{}", **{"Content-Encoding": "gzip"}).status_code == 400


def test_context_of_the_batch_is_merged_into_its_calls(segment):
    post(segment, [track(context={"ip": "192.0.2.1"})], context={"ip": "192.0.2.9", "locale": "en"})
    assert segment.events("us", WRITE_KEY) == [track(context={"ip": "192.0.2.1", "locale": "en"})]


def test_timestamp_is_shifted_by_the_senders_clock(segment):
    post(segment, [track(timestamp="2020-01-01T11:00:00Z")], sentAt="2020-01-01T12:00:00Z")
    entry = segment.entries("us", WRITE_KEY)[0]
    assert entry["call"]["timestamp"] == "2020-01-01T11:00:00Z"
    received, corrected = (datetime.fromisoformat(entry[name]) for name in ("received_at", "timestamp"))
    assert (received - corrected).total_seconds() == 3_600


def test_unknown_path_is_404_and_get_is_405(segment):
    assert post_text(segment, b"{}", "/us/v1/tracks").status_code == 404
    assert httpx.get(f"{segment.us_url}/batch").status_code == 405
