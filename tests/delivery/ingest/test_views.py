import json
import logging
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from delivery.ingest.calls import BATCHES, SINGLE
from integrations.api_keys import issue_api_key, revoke_api_key
from integrations.enums import KeyPurpose
from integrations.services import disconnect_source, pause_source
from tests.conftest import OTHER_WRITE_KEY, make_source
from tests.delivery.ingest.conftest import basic, gzipped, refusals, stored, track

SUCCESS = b'{"success": true}'
OF_A_METHOD: dict[str, dict[str, Any]] = {
    "identify": {"userId": "u-1", "traits": {"plan": "pro"}},
    "track": {"userId": "u-1", "event": "Report Shared"},
    "page": {"userId": "u-1", "name": "Pricing"},
    "screen": {"userId": "u-1", "name": "Start"},
    "group": {"userId": "u-1", "groupId": "g-1"},
    "alias": {"userId": "u-1", "previousId": "u-0"},
}


@pytest.mark.parametrize("method", SINGLE)
def test_each_call_has_an_endpoint_that_names_its_type(post, method):
    answer = post(method, OF_A_METHOD[method])

    assert (answer.status_code, answer.content) == (200, SUCCESS)
    assert answer["Content-Type"] == "application/json"
    [call] = stored()
    assert {name: call[name] for name in OF_A_METHOD[method]} == OF_A_METHOD[method]
    assert call["type"] == method


@pytest.mark.parametrize("method", [*BATCHES, "import/"])
def test_a_batch_is_captured_for_each_source_of_its_tenant_only(post, tenant, source, other_source, method):
    second = make_source(tenant, OTHER_WRITE_KEY, name="Second")

    answer = post(method, {"batch": [track(1), track(2)]})

    assert (answer.status_code, answer.content) == (200, SUCCESS)
    for each in (source, second):
        assert [call["userId"] for call in stored(source=each)] == ["u-1", "u-2"]
    assert stored(source=other_source) == []
    assert refusals() == []


def test_an_answer_has_no_cookie_and_no_redirect(post):
    answer = post("batch", {"batch": [track()]})

    assert not answer.cookies
    assert post("track/", {**track(), "messageId": "m-2"}).status_code == 200


def test_the_key_may_be_in_the_body_and_is_not_passed_on(source, key):
    client = Client()

    answer = client.post("/v1/batch", {"batch": [track(writeKey=key)], "writeKey": key}, "application/json")
    single = client.post("/v1/track", {**track(2), "writeKey": key}, "application/json")

    assert (answer.content, single.content) == (SUCCESS, SUCCESS)
    assert [call["userId"] for call in stored()] == ["u-1", "u-2"]
    assert key not in json.dumps(stored())


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, {}, "key_missing"),
        ({}, {"writeKey": ""}, "key_missing"),
        ({}, {"writeKey": 7}, "key_missing"),
        ({}, {"writeKey": "hw_ingest_" + "0" * 64}, "key_unknown"),
        ({"Authorization": "Bearer abc"}, {}, "key_missing"),
        ({"Authorization": "Basic"}, {}, "key_unknown"),
        ({"Authorization": "Basic ==="}, {}, "key_unreadable"),
        ({"Authorization": "Basic /w=="}, {}, "key_unreadable"),
        ({"Authorization": basic("hw_ingest_")}, {}, "key_unknown"),
        ({"Authorization": basic("\x00")}, {}, "key_unknown"),
    ],
)
def test_without_a_key_that_opens_nothing_is_kept(source, headers, body, code):
    answer = Client().post("/v1/batch", {"batch": [track()], **body}, "application/json", headers=headers)

    assert (answer.status_code, answer.json()["code"], answer.json()["success"]) == (401, code, False)
    assert answer["WWW-Authenticate"].startswith("Basic")
    assert (stored(), refusals()) == ([], [])


def test_a_revoked_key_and_one_for_another_purpose_open_nothing(post, issued, tenant):
    _, inbound = issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=None)
    assert post("batch", {"batch": []}, headers={"Authorization": basic(inbound.reveal())}).status_code == 401
    revoke_api_key(issued[0], by=None)

    assert post("batch", {"batch": [track()]}).status_code == 401
    assert stored() == []


def test_a_key_of_the_header_comes_before_one_of_the_body(post, other_tenant, source, other_source):
    _, theirs = issue_api_key(other_tenant, KeyPurpose.INGEST, name="Theirs", by=None)

    post("batch", {"batch": [track()], "writeKey": theirs.reveal()})

    assert (len(stored(source=source)), stored(source=other_source)) == (1, [])


def test_what_is_wrong_in_a_batch_is_refused_and_its_neighbours_are_kept(post, source):
    wrong = [track(2, userId=42), {"type": "track", "userId": "u-3"}, ["not", "a", "call"], track(5, type="nonsense")]

    answer = post("batch", {"batch": [track(1), *wrong, track(6)]})

    assert answer.status_code == 200
    told = answer.json()
    assert told["success"] is True
    assert [refusal["findings"][0]["code"] for refusal in told["refused"]] == [
        *("id_not_string", "event_missing", "call_not_object", "type_unknown"),
    ]
    assert [call["userId"] for call in stored()] == ["u-1", "u-6"]
    assert [refusal.source for refusal in refusals()] == [source] * 4


def test_an_answer_tells_a_refusal_once_for_all_sources_and_twenty_at_most(post, tenant):
    make_source(tenant, OTHER_WRITE_KEY, name="Second")

    assert len(post("batch", {"batch": [track(userId=7)]}).json()["refused"]) == 1
    many = post("batch", {"batch": [track(number, userId=7, event=f"Event {number}") for number in range(30)]})

    assert len(many.json()["refused"]) == 20
    assert len(refusals()) == 62


def test_a_single_call_that_is_wrong_is_answered_400_and_recorded(post):
    answer = post("track", {"userId": 42, "event": "Report Shared"})

    assert answer.status_code == 400
    assert answer.json()["message"] == "userId is of the type number, not a string."
    assert stored() == []
    assert [refusal.name for refusal in refusals()] == ["Report Shared"]


def test_a_retry_with_the_same_message_id_is_captured_once(post):
    body = {"batch": [track(1), track(2), track(1)]}

    assert [post("batch", body).content for _ in range(3)] == [SUCCESS] * 3
    assert post("track", track(2)).content == SUCCESS

    assert [call["userId"] for call in stored()] == ["u-1", "u-2"]


def test_a_message_id_is_not_passed_on_as_it_came(post):
    post("batch", {"batch": [track(1), {**track(2), "messageId": None}]})

    first, second = stored()
    assert "m-1" not in first["messageId"]
    assert len({first["messageId"], second["messageId"]}) == 2


@pytest.mark.parametrize("body", [{"batch": []}, {"batch": [], "sentAt": "2026-01-31T09:30:00Z"}])
def test_an_empty_batch_is_no_mistake(post, body):
    answer = post("batch", body)

    assert (answer.status_code, answer.json()["success"]) == (200, True)


def test_a_tenant_without_a_connected_source_is_told_that_nothing_is_kept(post, source):
    disconnect_source(source)

    answer = post("batch", {"batch": [track()]})

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert answer.json()["message"].startswith("Nothing was kept: no connected Segment source takes what was sent.")


def test_a_client_is_told_that_nothing_is_kept_when_every_source_has_the_event_off(post, source):
    source.events_off = ["Report Shared"]
    source.save()

    answer = post("batch", {"batch": [track()]})

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert answer.json()["message"].startswith("Nothing was kept: no connected Segment source takes what was sent.")
    assert stored(source=source) == []


def test_a_paused_source_keeps_what_comes(post, source):
    pause_source(source)

    assert post("batch", {"batch": [track()]}).content == SUCCESS
    assert len(stored(source=source)) == 1


@pytest.mark.parametrize("count", [1, 3, 100])
def test_a_batch_costs_the_same_queries_for_any_number(post, count, django_assert_num_queries):
    post("batch", {"batch": []})

    # The key, the transaction's two savepoints (in a test), the sources, and the one statement that stores.
    with django_assert_num_queries(5):
        post("batch", {"batch": [track(number) for number in range(count)]})


@pytest.mark.parametrize("method", ["get", "put", "delete", "options"])
def test_only_a_post_is_taken(client, method):
    answer = getattr(client, method)("/v1/batch")

    assert (answer.status_code, answer.json()["code"]) == (405, "not_post")
    assert answer["Allow"] == "POST"


def test_https_is_asked_for_and_never_redirected_to(post, settings):
    settings.SECURE_SSL_REDIRECT = True

    answer = post("batch", {"batch": [track()]})

    assert (answer.status_code, answer.json()["code"]) == (403, "not_https")
    assert stored() == []


def test_other_addresses_are_not_there(post):
    assert post("t", track()).status_code == 404
    assert post("batch/more", track()).status_code == 404
    assert reverse("ingest:ingest", args=["batch"]) == "/v1/batch"


def test_a_database_that_fails_is_answered_503_and_nothing_is_kept(post, caplog):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE delivery_pending ADD CONSTRAINT none CHECK (bytes < 0)")

    with caplog.at_level(logging.ERROR, logger="delivery.ingest"):
        answer = post("batch", {"batch": [track(1), track(2, userId=7)]})

    assert (answer.status_code, answer.json()["code"]) == (503, "not_stored")
    assert (stored(), refusals()) == ([], [])
    assert "u-1" not in caplog.text


def test_a_whole_batch_of_segments_largest_size_is_captured(post):
    answer = post(
        "batch", gzipped({"batch": [track(number) for number in range(2_500)]}), headers={"Content-Encoding": "gzip"}
    )

    assert answer.content == SUCCESS
    assert len(stored()) == 2_500
