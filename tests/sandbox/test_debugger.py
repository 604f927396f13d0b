import re

import httpx
import pytest

from tests.conftest import OTHER_WRITE_KEY, WRITE_KEY
from tests.sandbox.test_answers import post, track


def page(segment, query=""):
    answer = httpx.get(f"{segment.url}/{query}")
    assert answer.status_code == 200
    return answer.text


def test_page_says_when_nothing_has_arrived(segment):
    assert "Nothing has arrived yet." in page(segment)


def test_page_shows_events_newest_first(segment):
    post(segment, [track("m-1", event="Email Delivered"), track("m-2", event="Email Opened"), {"type": "track"}])
    names = re.findall(r'class="name">([^<]*)<', page(segment))
    states = re.findall(r'class="row".*?class="state \w+">([^<]*)<', page(segment))
    assert names == ["Track", "Email Opened", "Email Delivered"]
    assert states == ["discarded: no_user_anon_id", "accepted", "accepted"]


def test_page_renews_itself_unless_paused(segment):
    assert 'http-equiv="refresh" content="2"' in page(segment)
    assert "http-equiv" not in page(segment, "?pause")


def test_live_row_leads_to_the_call_opened_on_the_paused_page(segment):
    post(segment, [track(properties={"email_id": "e-7"})])
    address = re.search(r'class="row" href="([^"#]*)#', page(segment))
    assert address
    opened = page(segment, address[1].removeprefix("/").replace("&amp;", "&"))
    assert re.search(r'<details id="e1" open>.*&quot;email_id&quot;: &quot;e-7&quot;', opened, re.DOTALL)
    assert "http-equiv" not in opened


def test_page_of_one_key_shows_no_other(segment):
    post(segment, [track("m-1", event="Mine")])
    post(segment, [track("m-2", event="Theirs")], key=OTHER_WRITE_KEY)
    key_id = next(key["key_id"] for key in segment.stats()["keys"] if key["key"] == "…2345")
    shown = page(segment, f"?key={key_id}")
    assert ("Mine" in shown, "Theirs" in shown, WRITE_KEY in shown) == (True, False, False)


def test_page_tells_what_was_lost(segment):
    segment.register("eu", WRITE_KEY)
    post(segment, [track()])
    assert "Lost: this write key belongs to the other region" in page(segment)


def test_page_escapes_what_arrived(segment):
    evil = "<script>alert(1)</script>"
    call = {
        "type": evil,
        "userId": evil,
        "event": evil,
        "properties": {evil: evil},
        "messageId": evil,
        "timestamp": evil,
    }
    post(segment, [call], key=evil)
    assert "<script" not in page(segment) + page(segment, "?open=1") + page(segment, f"?pause&key={evil}&region={evil}")


def test_page_forbids_scripts_and_other_hosts(segment):
    policy = httpx.get(segment.url).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")


@pytest.mark.parametrize("path", ["/", "/us/debugger.json", "/_control/requests"])
def test_debugger_and_control_refuse_names_of_other_machines(segment, path):
    assert httpx.get(segment.url + path, headers={"Host": "evil.test"}).status_code == 403
    assert httpx.get(segment.url + path, headers={"Host": "localhost:1"}).status_code == 200


def test_control_refuses_web_pages(segment):
    post(segment, [track()])
    answer = httpx.post(f"{segment.url}/_control/reset", headers={"Origin": "http://evil.test"})
    assert answer.status_code == 403
    assert len(segment.events("us", WRITE_KEY)) == 1
