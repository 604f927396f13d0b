import base64
import hmac
import time
import uuid
from functools import reduce
from hashlib import sha256
from operator import and_, or_

from delivery import identifiers
from delivery.importing.known import known_to
from delivery.outbox import capture
from integrations.spec.calls import track

ONE, OTHER = uuid.uuid4(), uuid.uuid4()


def test_mint_never_repeats():
    assert len({*identifiers.mint(1_000), *identifiers.mint(1_000)}) == 2_000


def test_mint_is_a_uuid_in_its_usual_form():
    made = identifiers.mint(64)
    assert [str(uuid.UUID(text)) for text in made] == made
    assert {(uuid.UUID(text).version, uuid.UUID(text).variant) for text in made} == {(7, uuid.RFC_4122)}


def test_mint_gives_ids_that_go_up():
    beginnings = [text[: len("0193512d-4a00-7fff")] for text in identifiers.mint(64)]
    assert beginnings == sorted(beginnings)


def test_mint_begins_with_the_millisecond_and_leaves_the_rest_to_chance():
    before = time.time_ns() // 1_000_000
    made = [uuid.UUID(text).int for text in identifiers.mint(256)]
    assert {number >> 80 for number in made} <= set(range(before, time.time_ns() // 1_000_000 + 1))
    ever_set, always_set = reduce(or_, made), reduce(and_, made)
    # What differs among them: all but the time, four bits of the version and two of the variant.
    assert (ever_set ^ always_set).bit_count() == 128 - 48 - 4 - 2


def test_derive_is_stable_for_a_source_and_apart_for_others():
    first = identifiers.derive(ONE, "order-42")
    assert identifiers.derive(ONE, "order-42") == first
    assert len({first, identifiers.derive(OTHER, "order-42"), identifiers.derive(ONE, "order-43")}) == 3


def test_derive_is_an_hmac_written_as_a_uuid():
    digest = hmac.new(ONE.bytes, b"order-42", sha256).digest()
    assert identifiers.derive(ONE, "order-42") == str(uuid.UUID(bytes=digest[:16], version=5))


def test_sources_have_keys_of_their_own(source, other_source):
    assert source.message_id_key != other_source.message_id_key
    assert {each.message_id_key.version for each in (source, other_source)} == {4}


def test_retry_after_the_ring_was_renewed_is_known(source, settings):
    """Whatever became of the encryption keys meanwhile."""
    call = {**track(event="Email Opened", user_id="u-1"), "messageId": "order-42"}
    assert len(capture(source.tenant_id, call).event_ids) == 1
    settings.ENCRYPTION_KEYS = ["k2:" + base64.urlsafe_b64encode(b"k2" * 16).decode()]
    assert capture(source.tenant_id, call).duplicates == 1
    assert known_to(source, ["order-42"]) == {"order-42"}
