import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from delivery.bodies import Body, body_bytes

SENT_AT = datetime(2026, 1, 31, 9, 30, 0, 123_999, tzinfo=UTC)


def body(payloads, sent_at):
    return b"".join(Body(payloads, lambda: sent_at))


def test_body_is_a_join_of_the_payloads():
    assert body(['{"a":1}', '{"b":"é"}'], SENT_AT).decode() == (
        '{"batch":[{"a":1},{"b":"é"}],"sentAt":"2026-01-31T09:30:00.123Z"}'
    )


def test_body_says_when_it_is_iterated():
    times = [SENT_AT]
    made = Body([], lambda: times[-1])
    times.append(SENT_AT + timedelta(seconds=9))
    assert b"".join(made) == b'{"batch":[],"sentAt":"2026-01-31T09:30:09.123Z"}'


def test_body_says_sent_at_in_utc():
    elsewhere = SENT_AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert body([], elsewhere) == body([], SENT_AT)


@given(
    st.lists(st.text(alphabet="aé€😀", max_size=8).map(json.dumps), max_size=9),
    st.datetimes(datetime(2026, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001  # naive bounds
)
def test_body_bytes_counts_exactly(payloads, sent_at):
    sizes = sum(len(payload.encode()) for payload in payloads)
    length = body_bytes(sizes, len(payloads))
    assert len(body(payloads, sent_at)) == len(Body(payloads, lambda: sent_at)) == length
