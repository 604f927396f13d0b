"""Whether a text can be a Segment write key."""

import re
from collections.abc import Callable

from integrations.errors import WriteKeyError
from integrations.secrets import Secret

SHORTEST = 8
"""Segment answers a very short key 400 (segment.md), which would look like a fault of the events."""

LONGEST = 200

_USUAL = re.compile(r"[A-Za-z0-9]{32}")
_AROUND = " \t\r\n\"'`\N{ZERO WIDTH SPACE}\N{NO-BREAK SPACE}\N{BYTE ORDER MARK}"
"""What a paste from a web page, a shell or a JSON file brings along."""

_IMPOSSIBLE: list[tuple[Callable[[str], object], str]] = [
    (lambda key: not key, "Paste the write key of your Segment source."),
    (
        re.compile(r"https?://|^www\.").search,
        "This looks like a web address. The write key is a short code of letters and digits.",
    ),
    (re.compile(r"^[{\[]").search, "This looks like JSON. Paste only the value of the write key."),
    (
        re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$").search,
        "This looks like an email address. The write key is a short code of letters and digits.",
    ),
    (re.compile(r"\s").search, "A write key has no spaces or line breaks in it. Paste the key alone."),
    (
        re.compile(r"[^\x21-\x7e]").search,
        "A write key has only plain letters and digits; this has other characters. Copy it from Segment again.",
    ),
    # HTTP Basic authentication ends the user name at the first colon.
    (re.compile(r":").search, "A write key has no colon in it. Paste the key alone."),
    (
        lambda key: len(key) < SHORTEST,
        f"This is too short for a write key: Segment refuses keys under {SHORTEST} characters.",
    ),
    (lambda key: len(key) > LONGEST, "This is too long for a write key. Paste the key alone."),
]


def clean_write_key(text: str) -> Secret:
    """The key without what a paste brings around it. Raises WriteKeyError when it cannot be a write key."""
    key = text.strip(_AROUND)
    for is_so, why in _IMPOSSIBLE:
        if is_so(key):
            raise WriteKeyError(why)
    return Secret(key)


def check_write_key(text: str) -> list[str]:
    """What is odd about a write key that may still be right, as sentences for the customer that never contain it.

    Raises WriteKeyError when it cannot be a write key at all.
    """
    key = clean_write_key(text).reveal()
    if _USUAL.fullmatch(key):
        return []
    if len(key) != 32:  # noqa: PLR2004  # the usual length, as in the pattern above
        return [f"Segment's write keys usually have 32 characters; this one has {len(key)}."]
    return ["Segment's write keys usually have only letters and digits; this one has other characters."]
