import pytest

from integrations.enums import IdentityMode
from integrations.shaping import is_plain, shape

CALL = {
    "type": "track",
    "event": "Email Opened",
    "context": {"yourToolId": "7", "traits": {"email": "Ada@Person.test "}},
}
HASH = 64


@pytest.fixture
def by_tool_id(source):
    source.identity = IdentityMode.TOOL_ID
    return source


@pytest.fixture
def by_email_hash(source):
    source.identity = IdentityMode.EMAIL_HASH
    return source


def test_a_source_is_plain_until_it_opts_in(source):
    assert is_plain(source)
    assert shape(source, CALL) is CALL


@pytest.mark.parametrize("mode", [IdentityMode.TOOL_ID, IdentityMode.EMAIL_HASH])
def test_a_source_that_opted_in_is_not_plain(source, mode):
    source.identity = mode
    assert not is_plain(source)


def test_the_tool_id_becomes_an_anonymous_id_that_names_the_integration(by_tool_id):
    assert shape(by_tool_id, CALL) == {**CALL, "anonymousId": "headwater-7"}
    assert "anonymousId" not in CALL


def test_the_address_becomes_a_keyed_hash_whatever_its_casing(by_email_hash):
    made = shape(by_email_hash, CALL)["anonymousId"]
    small = {**CALL, "context": {"traits": {"email": "ada@person.test"}}}
    assert shape(by_email_hash, small)["anonymousId"] == made
    assert len(made) == HASH
    assert "ada" not in made


def test_the_hash_of_an_address_differs_between_tenants(by_email_hash, other_source):
    other_source.identity = IdentityMode.EMAIL_HASH
    assert shape(by_email_hash, CALL)["anonymousId"] != shape(other_source, CALL)["anonymousId"]


def test_the_address_of_an_identify_is_its_own_trait(by_email_hash):
    identify = {"type": "identify", "traits": {"email": "ada@person.test"}}
    assert shape(by_email_hash, identify)["anonymousId"] == shape(by_email_hash, CALL)["anonymousId"]


@pytest.mark.parametrize("known", [{"userId": "u-7"}, {"anonymousId": "a-7"}, {"userId": 7}])
def test_an_id_that_is_there_is_left_alone(by_tool_id, known):
    call = {**CALL, **known}
    assert shape(by_tool_id, call) is call


@pytest.mark.parametrize(
    "call",
    [
        {"type": "track", "event": "Email Opened"},
        {"type": "track", "context": {"yourToolId": 7, "traits": {"email": 7}}},
        {"type": "track", "context": {"yourToolId": "7" * 501, "traits": {"email": " "}}},
        {"type": "track", "context": ["yourToolId"]},
        {"type": "track", "context": {"yourToolId": None, "traits": ["email"]}},
        "no call at all",
    ],
)
@pytest.mark.parametrize("mode", [IdentityMode.TOOL_ID, IdentityMode.EMAIL_HASH])
def test_a_call_that_tells_too_little_stays_without_an_id(source, mode, call):
    source.identity = mode
    assert shape(source, call) is call
