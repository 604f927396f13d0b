import time

import httpx
import pytest

from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY
from tests.sandbox.test_answers import post, track


@pytest.mark.parametrize("status", [400, 401, 403, 500, 503])
def test_status_is_answered_and_nothing_stored(segment, status):
    segment.fault("us", "status", status=status, body="no", headers={"X-Reason": "test"}, count=1)
    answer = post(segment, [track()])
    assert (answer.status_code, answer.text, answer.headers["X-Reason"]) == (status, "no", "test")
    assert segment.entries("us", WRITE_KEY) == []
    assert [(line["status"], line["fault"]) for line in segment.requests()] == [(status, "status")]


@pytest.mark.parametrize("value", ["7", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"])
def test_retry_after_is_as_asked(segment, value):
    segment.fault("us", "status", status=429, headers={"Retry-After": value})
    answer = post(segment, [track()])
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, value)


def test_fault_can_store_what_it_answers_with_an_error(segment):
    segment.fault("us", "status", status=502, stores=True)
    assert post(segment, [track()]).status_code == 502
    assert segment.events("us", WRITE_KEY) == [track()]


def test_fault_is_over_after_its_count(segment):
    segment.fault("us", "status", status=500, count=2)
    assert [post(segment, [track()]).status_code for _ in range(3)] == [500, 500, 200]


def test_fault_is_over_after_its_seconds(segment):
    segment.fault("us", "status", status=500, seconds=0)
    assert post(segment, [track()]).status_code == 200


def test_fault_concerns_its_region_and_key_only(segment):
    segment.fault("us", "status", status=500, key=WRITE_KEY)
    assert post(segment, [track()], region="eu").status_code == 200
    assert post(segment, [track()], key=OTHER_WRITE_KEY).status_code == 200
    assert post(segment, [track()]).status_code == 500


def test_fault_concerns_bodies_with_its_text_only(segment):
    segment.fault("us", "status", status=400, containing="poison")
    assert post(segment, [track()]).status_code == 200
    assert post(segment, [track(event="poison")]).status_code == 400


def test_faults_are_cleared(segment):
    segment.fault("us", "status")
    segment.clear_faults()
    assert post(segment, [track()]).status_code == 200


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirect_shows_who_follows(segment, status):
    segment.fault("us", "redirect", status=status, location="/us/v1/elsewhere")
    answer = post(segment, [track()])
    assert (answer.status_code, answer.headers["Location"]) == (status, "/us/v1/elsewhere")
    assert [line["path"] for line in segment.requests()] == ["/us/v1/batch"]


@pytest.mark.parametrize(
    ("do", "text"),
    [
        ("unsuccessful", '{"success":false,"message":"not taken in"}'),
        ("html", "<html><body>Service unavailable</body></html>"),
        ("empty", ""),
    ],
)
def test_200_without_success(segment, do, text):
    segment.fault("us", do)
    answer = post(segment, [track()])
    assert (answer.status_code, answer.text) == (200, text)
    assert segment.entries("us", WRITE_KEY) == []


@pytest.mark.parametrize(("do", "stored"), [("reset_before", 0), ("reset_middle", 0), ("reset_after", 1)])
def test_reset_breaks_the_connection(segment, do, stored):
    segment.fault("us", do, count=1)
    with pytest.raises(httpx.TransportError):
        post(segment, [track(properties={"filler": "x" * 20_000})])
    assert len(segment.events("us", WRITE_KEY)) == stored
    assert [(line["status"], line["fault"]) for line in segment.requests()] == [(None, do)]


def test_delay_answers_late_and_stores(segment):
    segment.fault("us", "delay", delay_ms=200)
    began = time.monotonic()
    assert post(segment, [track()]).status_code == 200
    assert time.monotonic() - began >= 0.2
    assert segment.events("us", WRITE_KEY) == [track()]


def test_slow_sends_a_byte_at_a_time(segment):
    segment.fault("us", "slow", every_ms=200)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{segment.us_url}/batch", json={"batch": [track()]}, auth=(WRITE_KEY, ""), timeout=0.1)
    segment.clear_faults()
    segment.fault("us", "slow", every_ms=1)
    answer = post(segment, [track()])
    assert (answer.status_code, answer.json()) == (200, {"success": True})


def test_hang_never_answers(segment):
    segment.fault("us", "hang")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{segment.us_url}/batch", json={"batch": [track()]}, auth=(WRITE_KEY, ""), timeout=0.2)
    assert segment.entries("us", WRITE_KEY) == []


@pytest.mark.parametrize(
    "content",
    [
        [7],
        {},
        {"region": "us", "do": "explode"},
        {"region": "mars", "do": "hang"},
        {"region": "us", "do": "hang", "x": 1},
        {"region": "us", "do": "hang", "count": "1"},
    ],
)
def test_unknown_fault_is_refused(segment, content):
    answer = httpx.post(f"{segment.url}/_control/faults", json=content)
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert post(segment, [track()]).status_code == 200
