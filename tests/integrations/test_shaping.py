import pytest

from integrations.enums import IdentityMode
from integrations.shaping import is_plain, is_wanted, note_strangers, shape, shape_all
from integrations.trial import EVENT, trial_call
from tenants.scoping import scope

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


def test_a_source_with_rules_or_without_an_event_is_not_plain(source):
    source.events_off = ["Email Opened"]
    assert not is_plain(source)
    source.events_off, source.property_rules = [], {"email": "drop"}
    assert not is_plain(source)


def test_a_source_is_not_sent_the_tracks_that_it_does_not_want(source):
    source.events_off = ["Email Opened"]
    clicked = {**CALL, "event": "Email Link Clicked"}
    page = {"type": "page", "name": "Email Opened", "userId": "u-7"}
    assert [is_wanted(source, call) for call in (CALL, clicked, page, "no call")] == [False, True, True, True]
    with scope(source.tenant_id):
        assert shape_all(source, [CALL, clicked, page]).calls == [clicked, page]


def test_the_anonymous_id_is_made_of_what_is_left_out(by_email_hash):
    made = shape(by_email_hash, CALL)["anonymousId"]
    by_email_hash.property_rules = {"email": "drop"}
    assert shape(by_email_hash, CALL) == {**CALL, "anonymousId": made, "context": {"yourToolId": "7", "traits": {}}}


def test_the_identify_of_a_person_who_is_named_goes_by_the_rules(by_tool_id):
    by_tool_id.property_rules = {"email": "drop"}
    with scope(by_tool_id.tenant_id):
        note_strangers(by_tool_id, shape_all(by_tool_id, [CALL]), [])
        identify, _ = shape_all(by_tool_id, [{**CALL, "userId": "u-7"}]).calls
    assert (identify["type"], identify["userId"], identify["anonymousId"]) == ("identify", "u-7", "headwater-7")
    assert identify["traits"] == {}


def test_the_event_of_a_test_goes_out_as_it_is(source):
    source.events_off, source.property_rules = [EVENT], {"test_code": "hash"}
    call = trial_call("ABC234")
    assert is_wanted(source, call)
    assert shape(source, call) is call
