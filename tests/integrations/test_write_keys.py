import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import WriteKeyError
from integrations.write_keys import check_write_key, clean_write_key
from tests.conftest import WRITE_KEY


@pytest.mark.parametrize("pasted", [f" {WRITE_KEY}\n", f'"{WRITE_KEY}"', f"'{WRITE_KEY}'", f"\ufeff{WRITE_KEY}\u200b"])
def test_clean_write_key_takes_off_what_a_paste_brings_along(pasted):
    assert clean_write_key(pasted).reveal() == WRITE_KEY
    assert check_write_key(pasted) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Paste the write key"),
        (' "" ', "Paste the write key"),
        ("abc def ghi jkl", "no spaces"),
        ("abcdefgh\nijklmnop", "no spaces"),
        ("abcdefgh\x00ijkl", "other characters"),
        ("abcdefgh\x7fijkl", "other characters"),
        ("schlüsselbund", "other characters"),
        ("\N{CYRILLIC SMALL LETTER A}bcdefghijkl", "other characters"),
        ("username:password", "no colon"),
        ("https://app.segment.com/acme", "web address"),
        ("www.segment.com", "web address"),
        ("ada@lovelace.test", "email address"),
        ('{"writeKey": "abc"}', "JSON"),
        ("[1, 2]", "JSON"),
        ("1234567", "too short"),
        ("a" * 201, "too long"),
    ],
)
def test_check_write_key_refuses_the_impossible(text, why):
    with pytest.raises(WriteKeyError, match=why):
        check_write_key(text)


@pytest.mark.parametrize(
    ("key", "warnings"),
    [
        (WRITE_KEY, []),
        ("a" * 8, ["Segment's write keys usually have 32 characters; this one has 8."]),
        ("a" * 200, ["Segment's write keys usually have 32 characters; this one has 200."]),
        ("a" * 31 + "-", ["Segment's write keys usually have only letters and digits; this one has other characters."]),
    ],
)
def test_check_write_key_warns_of_the_odd(key, warnings):
    assert check_write_key(key) == warnings


@given(st.text())
def test_check_write_key_never_echoes_the_text(text):
    try:
        said = " ".join(check_write_key(text))
    except WriteKeyError as error:
        said = str(error)

    assert len(text) < 8 or text not in said
