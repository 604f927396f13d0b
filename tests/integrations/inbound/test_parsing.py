from datetime import UTC, datetime

import pytest

from integrations.errors import MessageError
from integrations.inbound.parsing import (
    MAX_MESSAGES,
    MAX_TRAIT_BYTES,
    MAX_TRAITS,
    Message,
    messages_in,
    parse,
    parse_all,
)

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
IDENTIFY = {"type": "identify", "userId": "u-7"}


def taken(item: object) -> Message:
    message = parse(item, NOW)
    assert message is not None
    return message


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "identify", "userId": "u-7", "anonymousId": "a-7", "traits": {"email": "a@b.test"}},
        {"type": "identify", "user_id": "u-7", "anonymous_id": "a-7", "traits": {"Email": "A@b.test"}},
        {"Type": "Identify", "UserId": "u-7", "AnonymousID": "a-7", "Traits": {"EMAIL": "a@b.test "}},
        {"TYPE": "IDENTIFY", "User ID": "u-7", "Anonymous ID": "a-7", "traits": {"e-mail": "a@b.test"}},
        {"type": " identify", "userId": None, "user_id": "u-7", "anonymousid": "a-7", "traits": {"email": "a@b.test"}},
    ],
)
def test_any_casing_of_field_names_is_read(fields):
    message = taken(fields)
    assert (message.type, message.user_id, message.anonymous_id) == ("identify", "u-7", "a-7")
    assert message.email == "a@b.test"


def test_an_alias_in_the_spelling_of_segments_own_example_is_read():
    fields = {"version": 1, "type": "alias", "Previous ID": "old", "User ID": "new"}
    assert taken(fields) == Message(type="alias", said_at=NOW, user_id="new", previous_id="old")


def test_a_group_says_the_group_and_nothing_of_its_traits():
    fields = {"type": "group", "userId": "u-7", "groupId": "g-1", "traits": {"name": "Initech", "email": "it@a.test"}}
    assert taken(fields) == Message(type="group", said_at=NOW, user_id="u-7", group_id="g-1")


def test_the_traits_in_the_context_of_any_call_are_the_persons():
    fields = {"type": "track", "userId": "u-7", "event": "X", "context": {"Traits": {"email": "a@b.test"}}}
    message = taken(fields)
    assert (message.email, message.traits) == ("a@b.test", {"email": "a@b.test"})


@pytest.mark.parametrize("context", [{"integration": {"name": "headwater"}}, {"Integration": {"Name": "headwater"}}])
def test_what_this_product_sent_itself_is_left_alone(context):
    assert parse({**IDENTIFY, "context": context}, NOW) is None


def test_what_another_integration_sent_is_taken():
    assert taken({**IDENTIFY, "context": {"integration": {"name": "other"}}}).user_id == "u-7"


@pytest.mark.parametrize(
    ("item", "status", "message"),
    [
        ([], 400, "A message is of the type array, not an object."),
        ("identify", 400, "A message is of the type string, not an object."),
        ({}, 400, "A message has no type"),
        ({"type": 7, "userId": "u-7"}, 400, "A message has no type"),
        ({"type": "delete", "userId": "u-7"}, 501, "Messages of this type are not taken. Nobody was erased: an owner"),
        ({"type": "heartbeat"}, 501, "Messages of this type are not taken. Send identify, group, alias"),
        ({"type": "identify", "userId": 7}, 400, "userId is of the type number, not a string: put it in quotes."),
        ({"type": "identify", "user_id": 7.5}, 400, "userId is of the type number"),
        ({"type": "identify", "userId": True}, 400, "userId is of the type boolean"),
        ({"type": "identify", "userId": {"id": "u-7"}}, 400, "userId is of the type object"),
        ({"type": "identify", "userId": "u-7", "anonymousId": ["a"]}, 400, "anonymousId is of the type array"),
        ({"type": "identify", "userId": "u" * 501}, 400, "userId has over 500 characters"),
        ({"type": "identify", "userId": "u\x00"}, 400, "or the character NUL"),
        ({"type": "identify", "userId": " "}, 400, "The identify has neither a userId nor an anonymousId"),
        ({"type": "identify", "userId": "null", "anonymousId": "undefined"}, 400, "The identify has neither"),
        ({"type": "group", "userId": "u-7"}, 400, "The group has no groupId."),
        ({"type": "group", "groupId": "g-1"}, 400, "The group has neither"),
        ({"type": "alias", "userId": "u-7"}, 400, "The alias needs a previousId and a userId"),
        ({"type": "alias", "previousId": "a", "userId": "anonymous"}, 400, "The alias needs"),
        ({"type": "identify", "userId": "u-7", "traits": ["a"]}, 400, "traits is of the type array, not an object."),
        ({"type": "track", "userId": "u-7", "context": "web"}, 400, "context is of the type string, not an object."),
        ({"type": "track", "context": {"traits": 7}}, 400, "traits is of the type number, not an object."),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_taken_says_what_is_wrong(item, status, message):
    with pytest.raises(MessageError, match=message) as refusal:
        parse(item, NOW)
    assert refusal.value.status == status


def test_a_track_of_nobody_is_no_error():
    assert taken({"type": "track", "event": "Signed Up"}).user_id == ""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-01-31T08:00:00.000Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T10:00:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2027-01-31T08:00:00Z", NOW),
        ("0001-01-01T00:00:00+14:00", NOW),
        ("yesterday", NOW),
        (7, NOW),
        (None, NOW),
    ],
)
def test_the_time_of_a_message_is_its_own_and_never_of_the_future(said, expected):
    assert taken({**IDENTIFY, "timestamp": said}).said_at == expected


def test_traits_are_bounded():
    nested: list[object] = []
    for _level in range(300):
        nested = [nested]
    traits = {
        "name": "Ada",
        "n" * 101: "long name",
        "bio": "x" * MAX_TRAIT_BYTES,
        "none": None,
        "nul": "a\x00b",
        "a\x00": "nul",
        "nested": nested,
        "address": {"city": "London"},
    }
    assert taken({**IDENTIFY, "traits": traits}).traits == {"name": "Ada", "address": {"city": "London"}}
    many = {f"t{number}": number for number in range(150)}
    assert list(taken({**IDENTIFY, "traits": many}).traits) == list(many)[:MAX_TRAITS]


@pytest.mark.parametrize("email", [7, "ada", "a@" + "b" * 320, "a\x00@person.test", "a\n@b", ["a@b"], None])
def test_what_is_no_address_is_no_address(email):
    assert taken({**IDENTIFY, "traits": {"email": email}}).email == ""


@pytest.mark.parametrize("body", [[IDENTIFY], {"batch": [IDENTIFY]}, {"Batch": [IDENTIFY], "sentAt": "x"}, IDENTIFY])
def test_one_message_and_both_forms_of_a_batch_are_read(body):
    assert messages_in(body) == [IDENTIFY]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ([], 400, "There is no message: the batch is empty."),
        ({"batch": []}, 400, "There is no message"),
        ({"batch": {"type": "identify"}}, 400, "batch is of the type object, not an array."),
        ([IDENTIFY] * (MAX_MESSAGES + 1), 413, "There are 4,001 messages: send batches of 4,000 at most."),
    ],
)
def test_a_batch_that_cannot_be_taken_says_why(body, status, message):
    with pytest.raises(MessageError, match=message) as refusal:
        messages_in(body)
    assert refusal.value.status == status


def test_all_messages_of_a_batch_are_told_apart():
    ours = {**IDENTIFY, "context": {"integration": {"name": "headwater"}}}
    parsed = parse_all([IDENTIFY, 7, ours, {"type": "delete"}], NOW)
    assert [message.user_id for message in parsed.messages] == ["u-7"]
    assert [problem.status for problem in parsed.problems] == [400, 501]
    assert parsed.ours == 1
