import base64
import hmac
import uuid
from hashlib import sha256

from delivery import identifiers
from integrations.secrets import derive_key

KEY = {name: name + ":" + base64.urlsafe_b64encode(name.encode() * 16).decode() for name in ("k1", "k2")}


def test_mint_never_repeats():
    assert identifiers.mint() != identifiers.mint()


def test_mint_is_a_random_uuid_in_its_usual_form():
    made = [identifiers.mint() for _ in range(64)]
    assert [str(uuid.UUID(text)) for text in made] == made
    assert {(uuid.UUID(text).version, uuid.UUID(text).variant) for text in made} == {(4, uuid.RFC_4122)}


def test_derive_is_stable_for_a_source_and_apart_for_others():
    first = identifiers.derive(1, "order-42")
    assert identifiers.derive(1, "order-42") == first
    assert len({first, identifiers.derive(2, "order-42"), identifiers.derive(1, "order-43")}) == 3


def test_derive_is_an_hmac_written_as_a_uuid():
    digest = hmac.new(derive_key(b"message id"), b"1:order-42", sha256).digest()
    assert identifiers.derive(1, "order-42") == str(uuid.UUID(bytes=digest[:16], version=5))


def test_derive_depends_on_a_secret(settings):
    settings.ENCRYPTION_KEYS = [KEY["k1"]]
    first = identifiers.derive(1, "order-42")
    settings.ENCRYPTION_KEYS = [KEY["k2"]]
    assert identifiers.derive(1, "order-42") != first


def test_derive_stays_the_same_when_a_new_key_is_put_first(settings):
    settings.ENCRYPTION_KEYS = [KEY["k1"]]
    before = identifiers.derive(1, "order-42")
    settings.ENCRYPTION_KEYS = [KEY["k2"], KEY["k1"]]
    assert identifiers.derive(1, "order-42") == before
