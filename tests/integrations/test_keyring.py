import base64
import os
import traceback

import pytest

from integrations.keyring import parse_key_ring

ONE, TWO = (base64.urlsafe_b64encode(bytes([fill]) * 32).decode() for fill in (1, 2))


def test_key_ring_is_ordered_newest_first():
    ring = parse_key_ring([f"k2:{TWO}", f" k1:{ONE.rstrip('=')} "])

    assert ring.newest_id == "k2"
    assert ring.keys == {"k2": b"\x02" * 32, "k1": b"\x01" * 32}
    assert ring.oldest == b"\x01" * 32


def test_key_ring_shows_no_key():
    assert repr(parse_key_ring([f"k1:{ONE}"])) == "KeyRing()"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "ENCRYPTION_KEYS is empty"),
        ([ONE], "entry 1 is malformed"),
        ([f"k1:{ONE}", f":{TWO}"], "entry 2 is malformed"),
        (["k1:"], "entry 1 is malformed"),
        ([f"k1:{ONE[:-8]}"], "entry 1 is malformed"),
        ([f"k1:{ONE}AAAA"], "entry 1 is malformed"),
        ([f"k1:{ONE[:-2]}!="], "entry 1 is malformed"),
        ([f"k1:{ONE[:-2]}é="], "entry 1 is malformed"),
        ([f"a key:{ONE}"], "entry 1 is malformed"),
        ([f"{ONE}:k1"], "entry 1 is malformed"),
        ([f"k1:{ONE}", f"k1:{TWO}"], "entry 2 repeats the key id"),
    ],
)
def test_key_ring_refuses_in_one_sentence_that_echoes_nothing(entries, said):
    with pytest.raises(ValueError, match=said) as refusal:
        parse_key_ring(entries)

    shown = "".join(traceback.format_exception(refusal.value))
    assert ONE[:12] not in shown
    assert str(refusal.value).count(". ") == 0


def test_key_ring_takes_a_key_of_any_bytes():
    key = os.urandom(32)

    assert parse_key_ring([f"k:{base64.urlsafe_b64encode(key).decode()}"]).oldest == key
