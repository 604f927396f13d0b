import orjson
import pytest

from delivery.encoding import MESSAGE_ID_BYTES, encode, storable, with_message_id
from delivery.errors import NotJsonError

MESSAGE_ID = "0b8f7d1e-6d0e-4a5e-9a43-0d6a1d7e2f11"


def test_with_message_id_puts_it_first_and_adds_a_known_length():
    encoded = encode({"type": "track", "event": "Größe"})
    text = with_message_id(encoded, MESSAGE_ID)
    assert orjson.loads(text) == {"messageId": MESSAGE_ID, "type": "track", "event": "Größe"}
    assert len(text.encode()) == len(encoded) + MESSAGE_ID_BYTES


@pytest.mark.parametrize("value", ["\ud800", object(), 2**64, {1: 2}, {"a": {1, 2}}])
def test_encode_refuses_what_is_not_json(value):
    with pytest.raises(NotJsonError):
        encode({"type": "track", "properties": value})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "abc"),
        ("abcdef", "abcd"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\ud800", "a?"),
        (None, ""),
        (17, "17"),
    ],
)
def test_storable_gives_text_that_postgresql_takes(value, text):
    assert storable(value, 4) == text
