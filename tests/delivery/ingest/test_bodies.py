"""What is no body of Segment's: an answer that says what is wrong, nothing kept, and no more memory than the limit."""

import gzip
import json
import tracemalloc
import zlib

import pytest

from delivery.ingest.bodies import MAX_BODY_BYTES
from tests.delivery.ingest.conftest import gzipped, refusals, stored, track

GZIP = {"Content-Encoding": "gzip"}
GOOD = {"batch": [track()]}


def code_of(answer) -> tuple[int, str]:
    told = answer.json()
    assert told["success"] is False
    assert told["message"].endswith(".")
    assert (stored(), refusals()) == ([], [])
    return answer.status_code, told["code"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_gzip_is_unpacked(post, encoding):
    assert post("batch", gzipped(GOOD), headers={"Content-Encoding": encoding}).status_code == 200
    assert len(stored()) == 1


def test_a_content_type_may_name_its_charset(post):
    assert post("batch", GOOD, content_type="application/json; charset=utf-8").status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_refused(post, content_type):
    assert code_of(post("batch", json.dumps(GOOD).encode(), content_type=content_type)) == (415, "content_type_unknown")


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip"])
def test_another_encoding_is_refused(post, encoding):
    answer = post("batch", gzipped(GOOD), headers={"Content-Encoding": encoding})

    assert code_of(answer) == (415, "encoding_unknown")


@pytest.mark.parametrize(
    "body",
    [
        b"not gzip",
        json.dumps(GOOD).encode(),
        gzipped(GOOD)[:-1],
        gzipped(GOOD)[:20],
        gzipped(GOOD)[:-5] + b"wrong",
        zlib.compress(json.dumps(GOOD).encode()),
    ],
    ids=["no gzip", "plain", "cut", "cut early", "wrong end", "zlib"],
)
def test_broken_gzip_is_refused(post, body):
    assert code_of(post("batch", body, headers=GZIP)) == (400, "gzip_broken")


def test_a_gzip_bomb_is_refused_in_bounded_memory(post):
    bomb = gzip.compress(b"[" + b" " * 200_000_000, compresslevel=9)
    assert len(bomb) < MAX_BODY_BYTES
    post("batch", {"batch": []})

    tracemalloc.start()
    answer = post("batch", bomb, headers=GZIP)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert code_of(answer) == (413, "too_large")
    assert peak < 6 * MAX_BODY_BYTES


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not(post, headers):
    def send(size: int):
        body = json.dumps(GOOD).encode().ljust(size)
        return post("batch", gzip.compress(body) if headers else body, headers=headers)

    assert code_of(send(MAX_BODY_BYTES + 1)) == (413, "too_large")
    assert send(MAX_BODY_BYTES).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b" ", "not_json"),
        (b"{", "not_json"),
        (b'{"batch": [}', "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"batch": [{"userId": "\xff"}]}', "not_json"),
        (b"{'batch': []}", "not_json"),
        (b"9" * 5_000, "not_json"),
        (b"[" * 10_000 + b"]" * 10_000, "too_deep"),
        (b'{"batch":' + b'[{"a":' * 10_000, "too_deep"),
        (b"[]", "not_an_object"),
        (json.dumps([track()]).encode(), "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"NaN", "not_an_object"),
        (b"{}", "batch_missing"),
        (b'{"batch": {}}', "batch_missing"),
        (b'{"batch": null}', "batch_missing"),
        (b'{"batch": [], "context": "text"}', "context_not_object"),
        (b'{"batch": [], "integrations": [1]}', "integrations_not_object"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(post, body, code):
    assert code_of(post("batch", body)) == (400, code)


def test_a_batch_of_too_many_calls_is_refused_whole(post):
    body = gzipped({"batch": [{"type": "track", "event": "E", "userId": "u"}] * 2_501})

    assert code_of(post("batch", body, headers=GZIP)) == (413, "too_many")


@pytest.mark.parametrize("value", ["NaN", "Infinity", r'"\ud800"', '{"a":' * 150 + "1" + "}" * 150])
def test_a_value_that_cannot_be_sent_costs_its_own_call_only(post, value):
    call = json.dumps(track(2, properties={"value": "HERE"})).replace('"HERE"', value)
    body = json.dumps({"batch": [track(1), "CALL", track(3)]}).replace('"CALL"', call)

    answer = post("batch", body.encode())

    assert answer.status_code == 200
    assert [refusal["reason"] for refusal in answer.json()["refused"]] == ["Cannot be written as JSON"]
    assert [call["userId"] for call in stored()] == ["u-1", "u-3"]


def test_a_call_over_32_kb_costs_itself_only(post):
    answer = post("batch", {"batch": [track(1), track(2, properties={"text": "x" * 32_000}), track(3)]})

    assert [refusal["reason"] for refusal in answer.json()["refused"]] == ["Over 32 KB"]
    assert [call["userId"] for call in stored()] == ["u-1", "u-3"]
