import base64
import gzip
import hmac
import re
import zlib

import orjson
import pytest
from django.db import connection

from integrations import api_keys
from integrations.enums import KeyPurpose
from integrations.models import Person, PersonKey, SharedSecret
from integrations.secrets import Secret
from tenants.scoping import every_tenant

pytestmark = pytest.mark.django_db

IDENTIFY = {"type": "identify", "userId": "u-7", "anonymousId": "a-7", "traits": {"email": "ada@person.test"}}
SHARED = "a shared secret"


@pytest.fixture
def issued(tenant):
    return api_keys.issue_api_key(tenant, KeyPurpose.INBOUND, name="Segment", by=None)


@pytest.fixture
def key(issued):
    return issued[1].reveal()


@pytest.fixture
def shared_secret(issued):
    stored = SharedSecret(api_key=issued[0])
    stored.seal(Secret(SHARED))
    stored.save()


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.fixture
def post(client, key):
    def send(body, content_type="application/json", *, path="/segment/inbound", authorization=None, **headers):
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = basic(f"{key}:") if authorization is None else authorization
        return client.post(path, data, content_type=content_type, headers=headers)

    return send


def people():
    with every_tenant():
        return [(person.tenant.slug, person.user_id, person.email) for person in Person.objects.order_by("pk")]


def answered(response):
    return response.status_code, response.json()["message"]


ADA = ("acme", "u-7", "ada@person.test")


@pytest.mark.parametrize("path", ["/segment/inbound", "/segment/inbound/"])
def test_an_identify_is_kept_and_answered(post, path):
    assert answered(post(IDENTIFY, path=path)) == (200, "1 taken.")
    assert people() == [ADA]


def test_the_password_may_be_anything(post, key):
    assert post(IDENTIFY, authorization=basic(f"{key}:a:b")).status_code == 200


def test_a_batch_is_kept(post):
    assert answered(post([IDENTIFY, {"type": "identify", "userId": "u-8"}])) == (200, "2 taken.")
    assert people() == [ADA, ("acme", "u-8", "")]


def test_our_own_events_that_come_back_are_left_alone(post):
    ours = {**IDENTIFY, "context": {"integration": {"name": "headwater", "version": "1.0.0"}}}
    assert answered(post(ours)) == (200, "1 taken.")
    assert people() == []


def test_the_good_ones_of_a_batch_are_kept_and_the_others_named(post):
    bad = [{"type": "identify", "userId": 7}, {"type": "delete", "userId": "u-9"}]
    message = "1 taken, 2 not. userId is of the type number, not a string: put it in quotes."
    assert answered(post([*bad, IDENTIFY])) == (200, message)
    assert people() == [ADA]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b" ", 400, "The body is not JSON"),
        (b"{", 400, "The body is not JSON"),
        (b'{"a": NaN}', 400, "The body is not JSON"),
        (b'"\\ud800"', 400, "The body is not JSON"),
        (b"[" * 10_000 + b"]" * 10_000, 400, "The body is not JSON"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "The body is not JSON"),
        (b"7", 400, "A message is of the type number, not an object."),
        (b"[[]]", 400, "A message is of the type array, not an object."),
        (b'{"type": "identify", "userId": 7}', 400, "userId is of the type number"),
        (b'{"type": "delete", "userId": "u-7"}', 501, "Messages of this type are not taken"),
        (b'[{"type": "delete"}, {"type": "identify"}]', 400, "The identify has neither"),
        (b'[' + b"1," * 4_000 + b"1]", 413, "There are 4,001 messages"),
    ],
    ids=range(12),
)  # fmt: skip
def test_a_bad_body_is_answered_with_what_is_wrong(post, body, status, message):
    answer = answered(post(body))
    assert answer[0] == status
    assert answer[1].startswith(message)
    assert people() == []


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/vnd.segment.v1+json"])
def test_content_types_of_json_are_taken(post, content_type):
    assert post(IDENTIFY, content_type).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_another_content_type_is_not_taken(post, content_type):
    assert answered(post(IDENTIFY, content_type)) == (415, "The Content-Type is not application/json.")
    assert people() == []


def test_gzip_is_unpacked(post):
    assert post(gzip.compress(orjson.dumps(IDENTIFY)), Content_Encoding="gzip").status_code == 200
    assert people() == [ADA]


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"no gzip", "gzip", 400),
        (gzip.compress(b"{}")[:-9], "gzip", 400),
        (zlib.compress(b"{}"), "gzip", 400),
        (gzip.compress(b" " * 50_000_000), "gzip", 413),
        (b" " * 5_000_001, "", 413),
        (b"{}", "br", 415),
    ],
    ids=["no gzip", "cut", "zlib", "bomb", "long", "brotli"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(post, body, encoding, status):
    assert post(body, Content_Encoding=encoding).status_code == status
    assert people() == []


def test_a_request_that_is_no_post_is_refused(client):
    response = client.get("/segment/inbound")
    assert (answered(response), response["Allow"]) == ((405, "Send a POST."), "POST")


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("", "There is no API key"),
        ("Bearer abc", "There is no API key"),
        ("Basic !!!", "The Authorization header is not base64"),
        ("Basic /w==", "The Authorization header is not base64"),
        (basic(":password"), "There is no API key"),
        (basic("hw_in_unknown:"), "The API key is unknown or revoked"),
        (basic("hw_in_unkn\x00wn:"), "The API key is unknown or revoked"),
    ],
)
def test_without_a_key_that_is_known_nothing_is_read(post, authorization, message):
    response = post(b"no JSON", authorization=authorization)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Basic realm="API key", charset="UTF-8"'
    assert response.json()["message"].startswith(message)


def test_a_revoked_key_opens_nothing(post, issued):
    api_keys.revoke_api_key(issued[0], by=None)
    assert post(IDENTIFY).status_code == 401
    assert people() == []


def test_a_key_for_sending_events_in_does_not_do(post, tenant):
    _key, text = api_keys.issue_api_key(tenant, KeyPurpose.INGEST, name="Server", by=None)
    response = post(IDENTIFY, authorization=basic(f"{text.reveal()}:"))
    assert answered(response) == (
        403,
        "This API key is for sending events in. Make one for receiving from Segment.",
    )
    assert people() == []


def test_a_key_writes_for_its_own_tenant(post, other_tenant):
    _key, text = api_keys.issue_api_key(other_tenant, KeyPurpose.INBOUND, name="Segment", by=None)
    post(IDENTIFY)
    post(IDENTIFY, authorization=basic(f"{text.reveal()}:"))
    assert people() == [ADA, ("other", "u-7", "ada@person.test")]


def signed(body, secret=SHARED):
    return hmac.new(secret.encode(), body, "sha1").hexdigest()


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize("upper", [False, True])
def test_a_body_that_is_signed_with_the_shared_secret_is_taken(post, upper):
    body = orjson.dumps(IDENTIFY)
    signature = signed(body).upper() if upper else signed(body)
    assert post(body, X_Signature=signature).status_code == 200
    assert post(gzip.compress(body), Content_Encoding="gzip", X_Signature=signature).status_code == 200


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize("spaces", ["", " \n"])
def test_the_signature_of_a_batch_is_its_first_events(post, spaces):
    first = '{"type":"identify","userId":"Ünal ]} \\" u-7"}'.encode()
    body = spaces.encode() + b"[" + spaces.encode() + first + b"," + orjson.dumps(IDENTIFY) + b"]"
    assert post(body, X_Signature=signed(first)).status_code == 200
    assert post(body, X_Signature=signed(orjson.dumps(IDENTIFY))).status_code == 403


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("", "There is no X-Signature"),
        ("0" * 40, "The X-Signature is not this body's"),
        ("ä", "The X-Signature is not this body's"),
        (signed(orjson.dumps(IDENTIFY), "another secret"), "The X-Signature is not this body's"),
    ],
)
@pytest.mark.parametrize("body", [orjson.dumps(IDENTIFY), b"[" * 10_000, b"[{"])
def test_a_body_that_is_not_signed_is_refused(post, body, signature, message):
    response = post(body, X_Signature=signature)
    assert response.status_code == 403
    assert response.json()["message"].startswith(message)
    assert people() == []


@pytest.mark.usefixtures("shared_secret")
def test_a_signature_replaces_no_key(post):
    body = orjson.dumps(IDENTIFY)
    assert post(body, authorization="", X_Signature=signed(body)).status_code == 401


def test_a_signature_is_not_looked_at_without_a_shared_secret(post):
    assert post(IDENTIFY, X_Signature="0" * 40).status_code == 200


@pytest.mark.usefixtures("shared_secret")
def test_a_shared_secret_that_cannot_be_read_takes_nothing_for_now(post):
    with every_tenant():
        SharedSecret.objects.update(ciphertext=b"\x01\x01a" + b"\x00" * 40)
    body = orjson.dumps(IDENTIFY)
    response = post(body, X_Signature=signed(body))
    assert response.status_code == 503
    assert SHARED not in response.content.decode()
    assert people() == []


@pytest.mark.django_db(transaction=True)
def test_when_it_cannot_be_kept_the_answer_is_503_and_nothing_is(post):
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE integrations_personkey IN EXCLUSIVE MODE")
    try:
        response = post([IDENTIFY])
    finally:
        other.rollback()
        other.close()
    message = "The messages could not be kept just now, and none of them was. Send them again."
    assert answered(response) == (503, message)
    assert people() == []


@pytest.mark.parametrize("path", ["/segment/inbound", "/segment/inbound/"])
def test_a_key_in_the_clear_is_refused_and_not_redirected(post, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    assert answered(post(IDENTIFY, path=path)) == (403, "Send to https://: the key would travel in the clear.")
    assert people() == []


def test_no_cookie_is_set_and_no_session_read(post, django_assert_num_queries):
    post(IDENTIFY)
    with django_assert_num_queries(2) as queries:
        response = post(IDENTIFY)
    asked = [re.findall(r"FROM\s+(integrations_\w+)", query["sql"])[0] for query in queries]
    assert asked == ["integrations_apikey", "integrations_personkey"]
    assert not response.cookies


def test_nothing_of_a_request_is_in_the_answers_or_the_log(post, key, caplog):
    post({"type": "identify", "userId": 7, "traits": {"email": "ada@person.test"}})
    post({"type": "secret-type", "userId": "u-7"})
    assert key not in caplog.text
    assert "ada@person.test" not in caplog.text
    with every_tenant():
        assert PersonKey.objects.count() == 0
