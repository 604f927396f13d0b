import base64
import copy
import json
import pickle
import re
from dataclasses import asdict

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.enums import Region
from integrations.errors import SecretError
from integrations.queries import SendingCredentials
from integrations.secrets import Secret, decrypt, encrypt, fingerprint, key_id_of, rate_key

PLACE = {"table": "integrations_writekey", "row": "7", "field": "ciphertext"}
KEY = "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345"
OLD, NEW = (
    f"{name}:{base64.urlsafe_b64encode(bytes([fill]) * 32).decode()}" for name, fill in (("old", 1), ("new", 2))
)

texts = st.text(max_size=40)


@pytest.fixture(autouse=True)
def _one_key(settings):
    settings.ENCRYPTION_KEYS = [OLD]


@given(plaintext=texts, table=texts, row=texts, field=texts)
def test_encrypt_decrypts_in_its_own_place(plaintext, table, row, field):
    ciphertext = encrypt(plaintext, table=table, row=row, field=field)

    assert decrypt(ciphertext, table=table, row=row, field=field) == plaintext


def test_encrypt_has_the_documented_form():
    ciphertext = encrypt(KEY, **PLACE)

    assert ciphertext[:5] == b"\x01\x03old"
    assert len(ciphertext) == 2 + len("old") + 12 + len(KEY) + 16
    assert KEY.encode() not in ciphertext


def test_encrypt_never_gives_the_same_twice():
    assert encrypt(KEY, **PLACE) != encrypt(KEY, **PLACE)


@pytest.mark.parametrize("elsewhere", [{"table": "other"}, {"row": "8"}, {"field": "note"}])
def test_decrypt_refuses_what_was_copied_from_another_place(elsewhere, caplog):
    ciphertext = encrypt(KEY, **PLACE)
    place = PLACE | elsewhere

    with pytest.raises(SecretError, match="copied from another place"):
        decrypt(ciphertext, **place)

    [event] = caplog.records
    assert event.name == "headwater.security"
    assert event.levelname == "ERROR"
    assert f"{place['table']}.{place['field']} of row {place['row']}" in event.getMessage()


def test_decrypt_does_not_take_parts_of_a_place_for_another():
    ciphertext = encrypt(KEY, table="ab", row="c", field="d")

    with pytest.raises(SecretError):
        decrypt(ciphertext, table="a", row="bc", field="d")


@given(st.data())
def test_decrypt_refuses_a_ciphertext_with_any_bit_changed(data):
    ciphertext = bytearray(encrypt(KEY, **PLACE))
    position = data.draw(st.integers(0, len(ciphertext) - 1))
    ciphertext[position] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(SecretError):
        decrypt(bytes(ciphertext), **PLACE)


@given(st.binary(max_size=80))
def test_decrypt_refuses_any_other_bytes(noise):
    with pytest.raises(SecretError):
        decrypt(noise, **PLACE)


def test_decrypt_refuses_a_ciphertext_cut_short():
    ciphertext = encrypt(KEY, **PLACE)

    for length in range(len(ciphertext)):
        with pytest.raises(SecretError):
            decrypt(ciphertext[:length], **PLACE)


def test_decrypt_says_which_key_is_missing(settings, caplog):
    ciphertext = encrypt(KEY, **PLACE)
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(SecretError, match=r"the key 'old', which is not in ENCRYPTION_KEYS: put that key back"):
        decrypt(ciphertext, **PLACE)

    assert caplog.records == []


def test_decrypt_refuses_the_right_id_with_the_wrong_key(settings):
    ciphertext = encrypt(KEY, **PLACE)
    settings.ENCRYPTION_KEYS = [NEW.replace("new:", "old:")]

    with pytest.raises(SecretError, match="does not decrypt"):
        decrypt(ciphertext, **PLACE)


def test_rotated_ring_reads_the_old_and_writes_the_new(settings):
    before = encrypt(KEY, **PLACE)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    after = encrypt(KEY, **PLACE)

    assert (key_id_of(before), key_id_of(after)) == ("old", "new")
    assert decrypt(before, **PLACE) == decrypt(after, **PLACE) == KEY


def test_fingerprint_stays_when_a_key_is_put_first(settings):
    before = (fingerprint(Secret(KEY)), rate_key(Secret(KEY), Region.US))
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    assert (fingerprint(Secret(KEY)), rate_key(Secret(KEY), Region.US)) == before


def test_fingerprint_needs_the_ring(settings):
    before = fingerprint(Secret(KEY))
    settings.ENCRYPTION_KEYS = [NEW]

    assert fingerprint(Secret(KEY)) != before


def test_fingerprint_and_rate_key_are_unlike_for_unlike_input():
    assert re.fullmatch(r"[0-9a-f]{16}", fingerprint(Secret(KEY)))
    assert re.fullmatch(r"[0-9a-f]{64}", rate_key(Secret(KEY), Region.US))
    names = [
        fingerprint(Secret(KEY)),
        fingerprint(Secret(KEY.lower())),
        rate_key(Secret(KEY), Region.US)[:16],
        rate_key(Secret(KEY), Region.EU)[:16],
        rate_key(Secret(KEY.lower()), Region.US)[:16],
    ]
    assert len(set(names)) == 5


def test_secret_shows_a_mask():
    credentials = SendingCredentials(1, 2, 3, Region.US, Secret(KEY), "rate")

    for shown in (repr(Secret(KEY)), str(Secret(KEY)), f"{Secret(KEY)}", f"{Secret(KEY)!r}", "%s" % Secret(KEY)):  # noqa: UP031  # the old form too
        assert shown == "********"
    assert KEY not in repr(credentials)


def test_secret_reveals_when_asked():
    assert Secret(KEY).reveal() == KEY


@pytest.mark.parametrize("give_away", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, orjson.dumps, vars, hash])
def test_secret_is_given_away_by_nothing(give_away):
    with pytest.raises(TypeError) as refusal:
        give_away(Secret(KEY))

    assert KEY not in str(refusal.value)


def test_credentials_do_not_become_plain_data():
    with pytest.raises(TypeError):
        asdict(SendingCredentials(1, 2, 3, Region.US, Secret(KEY), "rate"))


def test_secret_equals_the_same_secret_only():
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(KEY.lower())
    assert Secret(KEY) != KEY
