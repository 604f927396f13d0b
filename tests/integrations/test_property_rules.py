import hmac
import re

import pytest

from integrations.property_rules import apply_rules, hashed, properties_of
from integrations.secrets import derive_key

CALL = {
    "type": "track",
    "event": "Email Opened",
    "userId": "u-7",
    "properties": {"email_subject": "Hello", "email_id": "7"},
    "context": {"traits": {"email": "ada@person.test"}, "ip": "203.0.113.7"},
}


def test_a_call_without_the_properties_is_the_same_object():
    assert apply_rules({"revenue": "drop"}, 1, CALL) is CALL
    assert apply_rules({}, 1, CALL) is CALL
    assert apply_rules({"email": "drop"}, 1, "no call") == "no call"


def test_drop_leaves_the_property_out_and_the_given_call_alone():
    dropped = apply_rules({"email_subject": "drop"}, 1, CALL)
    assert dropped == {**CALL, "properties": {"email_id": "7"}}
    assert CALL["properties"] == {"email_subject": "Hello", "email_id": "7"}


def test_a_rule_is_for_the_traits_of_the_person_and_of_the_context_too():
    identify = {"type": "identify", "userId": "u-7", "traits": {"email": "ada@person.test", "plan": "pro"}}
    assert apply_rules({"email": "drop"}, 1, identify) == {**identify, "traits": {"plan": "pro"}}
    assert apply_rules({"email": "drop"}, 1, CALL) == {**CALL, "context": {"traits": {}, "ip": "203.0.113.7"}}


def test_the_hash_is_an_hmac_with_a_key_of_the_tenants_own():
    key = hmac.digest(derive_key(b"property"), b"1", "sha256")
    assert hashed(1, "Hello") == hmac.digest(key, b"Hello", "sha256").hex()
    assert hashed(1, "Hello") != hashed(2, "Hello")
    sent = apply_rules({"email_subject": "hash"}, 1, CALL)
    assert sent["properties"] == {"email_subject": hashed(1, "Hello"), "email_id": "7"}


@pytest.mark.parametrize(
    ("one", "same"), [(7, "7"), ({"a": 1, "b": [2]}, {"b": [2], "a": 1}), (True, "true"), (1 << 70, 1 << 70)]
)
def test_the_same_value_has_the_same_hash(one, same):
    assert hashed(1, one) == hashed(1, same)


@pytest.mark.parametrize("value", ["\ud800", {"a": "\ud800"}, float("nan"), object, [1 << 70]])
def test_an_unusual_value_does_not_come_through(value):
    sent = apply_rules({"x": "hash"}, 1, {"type": "track", "properties": {"x": value}})
    assert re.fullmatch("[0-9a-f]{64}", sent["properties"]["x"])


def test_null_stays_null_and_what_is_no_object_stays():
    assert apply_rules({"x": "hash"}, 1, {"properties": {"x": None}})["properties"] == {"x": None}
    odd = {"properties": ["x"], "traits": "x", "context": {"traits": None}}
    assert apply_rules({"x": "drop"}, 1, odd) == odd


def test_properties_of_a_call_are_those_that_a_rule_can_name():
    assert properties_of(CALL) == {"email": "ada@person.test", "email_subject": "Hello", "email_id": "7"}
    assert properties_of({"type": "track", "context": "x"}) == {}
