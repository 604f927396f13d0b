import logging
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from delivery.enums import RefusalReason
from delivery.errors import CaptureRefusedError
from delivery.models import Event, MessageKey, Pending, Refusal
from delivery.outbox import Captured, capture, capture_built, capture_many
from integrations.enums import Region
from integrations.services import disconnect_source, pause_source
from integrations.spec.calls import Call, track
from tenants.models import Tenant
from tests.conftest import OTHER_WRITE_KEY, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]


def test_capture_writes_event_and_pending_with_the_same_id(source, call):
    captured = capture(source.tenant_id, call)
    event = Event.objects.get()
    assert captured == Captured([event.pk])
    assert (event.tenant_id, event.source_id) == (source.tenant_id, source.pk)
    assert (event.type, event.name, event.user_id) == ("track", "Email Opened", "u-1")
    assert list(Pending.objects.values_list("source_id", "event_id", "bytes")) == [
        (source.pk, event.pk, len(event.payload.encode()))
    ]
    assert event.bytes == len(event.payload.encode())


def test_capture_stores_the_finished_call(source, call, settings):
    capture(source.tenant_id, {**call, "timestamp": "2026-01-31T10:30:00.000+01:00"})
    event = Event.objects.get()
    payload = orjson.loads(event.payload)
    assert payload["messageId"] == str(event.message_id)
    assert payload["context"]["integration"] == {
        "name": settings.INTEGRATION_SLUG, "version": settings.INTEGRATION_VERSION,
    }  # fmt: skip
    assert "sentAt" not in payload
    assert "writeKey" not in payload
    assert event.occurred_at.isoformat() == "2026-01-31T09:30:00+00:00"


def test_capture_leaves_the_callers_call_as_it_was(source, call):
    before = orjson.dumps(call)
    capture(source.tenant_id, call)
    assert orjson.dumps(call) == before


def test_capture_fans_out_with_a_message_id_for_each_source(source, tenant, call):
    make_source(tenant, OTHER_WRITE_KEY, Region.EU, "Second")
    assert len(capture(tenant.pk, call).event_ids) == 2
    first, second = Event.objects.order_by("source_id")
    assert first.message_id != second.message_id
    assert {**orjson.loads(first.payload), "messageId": ""} == {**orjson.loads(second.payload), "messageId": ""}


def test_capture_goes_on_for_a_paused_source_and_ends_for_a_disconnected_one(source, call):
    pause_source(source)
    assert len(capture(source.tenant_id, call).event_ids) == 1
    disconnect_source(source)
    assert capture(source.tenant_id, call) == Captured()
    assert Event.objects.count() == 1


def test_capture_without_a_source_writes_nothing(tenant, call):
    assert capture(tenant.pk, call) == Captured()
    assert capture(tenant.pk, {}) == Captured()
    assert (Event.objects.count(), Refusal.objects.count()) == (0, 0)


def test_capture_takes_given_sources_only_of_its_tenant(source, other_source, call):
    captured = capture(source.tenant_id, call, sources=[other_source])
    assert captured.event_ids == []
    assert Event.objects.count() == 0


def test_capture_reaches_its_own_tenant_alone(source, other_source, call):
    capture(source.tenant_id, call)
    assert list(Event.objects.values_list("source_id", flat=True)) == [source.pk]


@pytest.mark.parametrize("sources", [1, 3])
def test_capture_takes_four_queries(source, tenant, call, sources):
    for number in range(1, sources):
        make_source(tenant, OTHER_WRITE_KEY, name=f"Source {number}")
    # Savepoint, sources, insert, release: the test's own transaction is the caller's.
    with CaptureQueriesContext(
        connection,
    ) as queries:
        capture(tenant.pk, call)
    assert len(queries) == 4


@pytest.mark.parametrize(("calls", "queries"), [(200, 4), (201, 5), (5_000, 28), (5_001, 32)])
def test_capture_many_takes_a_statement_for_200_calls_and_a_savepoint_for_5000(source, call, calls, queries):
    with CaptureQueriesContext(connection) as made:
        captured = capture_many(source.tenant_id, [call] * calls)
    assert len(made) == queries
    assert len(set(captured.event_ids)) == calls


def test_capture_many_keeps_the_order_across_statements(source):
    calls = [track(event=f"Step {number}", user_id="u-1") for number in range(4_001)]
    captured = capture_many(source.tenant_id, iter(calls))
    assert len(captured.event_ids) == 4_001
    assert list(Event.objects.order_by("pk").values_list("name", flat=True)) == [call["event"] for call in calls]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"userId": None}, RefusalReason.NO_IDENTITY),
        ({"event": ""}, RefusalReason.SPEC),
        ({"type": "purchase"}, RefusalReason.SPEC),
        ({"messageId": "x" * 100}, RefusalReason.SPEC),
        ({"properties": {"a": float("nan")}}, RefusalReason.NOT_JSON),
        ({"properties": {"a": float("inf")}}, RefusalReason.NOT_JSON),
        ({"properties": {"a": "\ud800"}}, RefusalReason.NOT_JSON),
        ({"userId": "\ud800"}, RefusalReason.NOT_JSON),
        ({"event": "a\x00b"}, RefusalReason.SPEC),
        ({"properties": {"a": object()}}, RefusalReason.NOT_JSON),
        ({"properties": {"a": 2**64}}, RefusalReason.NOT_JSON),
        ({"properties": {"a": "x" * 33_000}}, RefusalReason.TOO_LARGE),
    ],
)
def test_capture_refuses_with_a_reason(source, call, broken, reason):
    captured = capture(source.tenant_id, {**call, **broken})
    (refusal,) = Refusal.objects.all()
    assert captured == Captured(refused=[refusal])
    assert (refusal.reason, refusal.source_id, refusal.tenant_id) == (reason, source.pk, source.tenant_id)
    assert all(finding["remedy"] for finding in refusal.findings)
    assert Event.objects.count() == 0


@pytest.mark.parametrize("call", [None, 17, "track", [], ["a"]])
def test_capture_refuses_what_is_no_object(source, call):
    assert [refusal.reason for refusal in capture(source.tenant_id, call).refused] == [RefusalReason.NOT_JSON]


def test_capture_takes_an_event_of_32_000_bytes_and_not_one_more(source, call):
    room = 32_000 - Event(payload=_payload(source, call)).payload.__len__()
    largest = {**call, "properties": {**call["properties"], "more": "x" * (room - len(',"more":""'))}}
    capture(source.tenant_id, largest)
    assert Event.objects.latest("pk").bytes == 32_000
    largest["properties"]["more"] += "x"
    assert [refusal.reason for refusal in capture(source.tenant_id, largest).refused] == [RefusalReason.TOO_LARGE]


def _payload(source, call):
    capture(source.tenant_id, call)
    return Event.objects.get().payload


def test_capture_stores_what_columns_cannot_hold_as_it_is(source, call):
    odd = {**call, "userId": "ü" * 3_000, "event": "Odd Thing Done"}
    capture(source.tenant_id, odd)
    event = Event.objects.get()
    assert orjson.loads(event.payload)["userId"] == odd["userId"]
    assert event.user_id == "ü" * 500


ODD_TEXTS = [
    "a,b",
    '"quoted"',
    "back\\slash",
    "NULL",
    "{}",
    "tab\tline\nfeed\rend",
    "unit\x1erecord\x1fend",
    "日本 🎉",
    "'",
]


def test_capture_stores_odd_names_and_ids_as_they_are(source):
    calls = [track(event=text, user_id=text, properties={"odd": text}) for text in ODD_TEXTS]
    calls.append({"type": "identify", "userId": "u-1"})
    capture_many(source.tenant_id, calls)
    rows = list(Event.objects.order_by("pk").values_list("name", "user_id", "payload", "bytes"))
    assert [row[:2] for row in rows] == [*((text, text) for text in ODD_TEXTS), ("", "u-1")]
    assert [orjson.loads(row[2])["properties"]["odd"] for row in rows[:-1]] == ODD_TEXTS
    assert [row[3] for row in rows] == [len(row[2].encode()) for row in rows]


@pytest.mark.parametrize(
    ("timestamp", "occurred_at"),
    [
        ("2026-01-31T09:30:00.123Z", "2026-01-31T09:30:00.123000+00:00"),
        ("2026-W05-6T09:30:00.123Z", "2026-01-31T09:30:00.123000+00:00"),
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31 09:30+01:00", "2026-01-31T08:30:00+00:00"),
        ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_capture_stores_when_it_was_by_the_call(source, call, timestamp, occurred_at):
    capture(source.tenant_id, {**call, "timestamp": timestamp})
    assert Event.objects.get().occurred_at.isoformat() == occurred_at


@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00+01:00", None])
def test_capture_takes_its_own_time_for_one_that_no_calendar_has(source, call, timestamp):
    capture(source.tenant_id, {**call, "timestamp": timestamp})
    event = Event.objects.get()
    assert event.occurred_at == event.captured_at


def test_capture_many_captures_the_neighbours_of_a_refused_call(source, call):
    captured = capture_many(source.tenant_id, [call, {**call, "userId": None}, call])
    assert (len(captured.event_ids), len(captured.refused)) == (2, 1)


def test_capture_strict_raises_a_typed_error(source, call):
    with pytest.raises(CaptureRefusedError, match="Nobody to attach it to") as caught:
        capture(source.tenant_id, {**call, "userId": None}, strict=True)
    assert [refusal.reason for refusal in caught.value.refused] == [RefusalReason.NO_IDENTITY]


def test_capture_with_an_own_id_is_captured_once(source, call):
    mine = {**call, "messageId": "order-42"}
    first = capture(source.tenant_id, mine)
    assert capture(source.tenant_id, mine) == Captured(duplicates=1)
    assert capture_many(source.tenant_id, [mine, mine]) == Captured(duplicates=2)
    event = Event.objects.get()
    assert first.event_ids == [event.pk]
    assert orjson.loads(event.payload)["messageId"] == str(event.message_id) != "order-42"
    assert list(MessageKey.objects.values_list("message_id", "event_id")) == [(event.message_id, event.pk)]


def test_capture_many_drops_a_repeated_own_id_within_one_statement(source, call):
    mine = {**call, "messageId": "order-42"}
    captured = capture_many(source.tenant_id, [mine, call, mine])
    assert (len(captured.event_ids), captured.duplicates) == (2, 1)


def test_capture_rolls_back_with_the_caller(source, call):
    with transaction.atomic():
        capture(source.tenant_id, call)
        capture(source.tenant_id, {})
        transaction.set_rollback(True)
    assert (Event.objects.count(), Pending.objects.count(), Refusal.objects.count()) == (0, 0, 0)


def test_capture_survives_an_error_of_the_database(source, call, caplog):
    """The caller's own rows stay, the refusal tells, and the log quotes nothing of the call."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE delivery_event ADD CONSTRAINT never CHECK (name <> 'Email Opened')")
    caplog.set_level(logging.DEBUG)
    with transaction.atomic():
        Tenant.objects.create(name="Written by the caller", slug="written")
        captured = capture(source.tenant_id, call)
    assert [refusal.reason for refusal in captured.refused] == [RefusalReason.CAPTURE_FAILED]
    assert list(Refusal.objects.all()) == captured.refused
    assert Tenant.objects.filter(slug="written").exists()
    assert (Event.objects.count(), Pending.objects.count()) == (0, 0)
    assert "Capturing failed: CheckViolation" in caplog.text or "Capturing failed: IntegrityError" in caplog.text
    assert "u-1" not in "".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")


def test_capture_many_refuses_5000_calls_together_when_the_database_takes_one_of_them_not(source, call):
    """The statements before it had gone through: they are rolled back, and the calls after them go on."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE delivery_event ADD CONSTRAINT never CHECK (name <> 'Never')")
    with transaction.atomic():
        Tenant.objects.create(name="Written by the caller", slug="written")
        calls = [call] * 1_000 + [{**call, "event": "Never"}] + [call] * 4_500
        captured = capture_many(source.tenant_id, calls)
    assert (len(captured.event_ids), len(captured.refused)) == (501, 5_000)
    assert (Event.objects.count(), Pending.objects.count(), Refusal.objects.count()) == (501, 501, 5_000)
    assert Tenant.objects.filter(slug="written").exists()


@pytest.fixture
def choosy(tenant):
    """A source that leaves a property out, and one that does not want the event."""
    leaves_out = make_source(tenant, OTHER_WRITE_KEY, name="Leaves out")
    leaves_out.property_rules = {"email_id": "drop"}
    off = make_source(tenant, "k" * 32, name="Off")
    off.events_off = ["Email Opened"]
    for each in (leaves_out, off):
        each.save()
    return leaves_out


def test_call_that_could_not_be_stored_tells_no_source_more_than_it_would_have_been_sent(source, choosy, call, caplog):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE delivery_event ADD CONSTRAINT never CHECK (name <> 'Email Opened')")
    captured = capture(source.tenant_id, call)
    assert {each.source_id: '"email_id":"e-1"' in each.excerpt for each in captured.refused} == {
        source.pk: True,
        choosy.pk: False,
    }
    assert {(each.reason, each.name, each.user_id) for each in captured.refused} == {
        (RefusalReason.CAPTURE_FAILED, "Email Opened", "u-1")
    }


def test_call_that_no_rule_can_be_applied_to_is_refused_without_its_content(tenant, call):
    class Spiteful:
        def __repr__(self):
            raise RuntimeError

    source = make_source(tenant, OTHER_WRITE_KEY)
    source.property_rules = {"email_id": "hash"}
    source.save()
    (refusal,) = capture(tenant.pk, {**call, "properties": {"email_id": Spiteful(), "secret": "s-1"}}).refused
    assert (refusal.reason, refusal.name) == (RefusalReason.CAPTURE_FAILED, "Email Opened")
    assert orjson.loads(refusal.excerpt) == {"type": "track", "event": "Email Opened", "userId": "u-1"}


def test_mapping_that_raises_is_refused_where_its_event_is_wanted(source, choosy):
    captured = capture_built(source.tenant_id, "Email Opened", lambda: dict[str, Call]()["missing"])
    assert [(each.source_id, each.reason) for each in captured.refused] == [
        (source.pk, RefusalReason.MAPPING_FAILED),
        (choosy.pk, RefusalReason.MAPPING_FAILED),
    ]


def test_a_fault_of_ours_has_a_remedy_that_says_whom_to_write_to(source, call, settings):
    settings.SUPPORT_EMAIL = "help@acme.test"
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE delivery_event ADD CONSTRAINT never CHECK (name <> 'Email Opened')")
    failed = capture(source.tenant_id, call).refused
    failed += capture_built(source.tenant_id, "Email Opened", lambda: dict[str, Call]()["missing"]).refused
    remedy = "The fault is ours: there is nothing for you to mend. Write to help@acme.test about it."
    assert [
        (finding["code"], finding["message"], finding["remedy"]) for refusal in failed for finding in refusal.findings
    ] == [
        ("capture_failed", "The event could not be stored.", remedy),
        ("mapping_failed", "The event could not be made of what had happened.", remedy),
    ]


def never(table):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT never CHECK (false)")


@pytest.mark.parametrize("count", [1, 500])
def test_capture_raises_the_databases_error_when_not_even_a_refusal_can_be_stored(source, call, count, caplog):
    """What the caller wrote before it may keep, if it wants to: only our savepoint is rolled back."""
    never("delivery_event")
    never("delivery_refusal")
    with transaction.atomic():
        Tenant.objects.create(name="Written by the caller", slug="written")
        with pytest.raises(IntegrityError):
            capture_many(source.tenant_id, [call] * count)
    assert Tenant.objects.filter(slug="written").exists()
    assert f"{count} refusals could not be stored: IntegrityError" in caplog.text


def test_capture_built_raises_the_databases_error_when_not_even_a_refusal_can_be_stored(source):
    never("delivery_refusal")
    with pytest.raises(IntegrityError):
        capture_built(source.tenant_id, "Email Opened", lambda: dict[str, Call]()["missing"])


@pytest.mark.parametrize("count", [1, 500])
@pytest.mark.parametrize("state", ["53100", "53200", "53300"])
def test_capture_raises_when_the_database_lacks_resources(source, call, count, state):
    """Although a refusal would find room: here only the log of events has none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{state}'; END $$"
        )
        cursor.execute("CREATE TRIGGER full_disk BEFORE INSERT ON delivery_pending EXECUTE FUNCTION full_disk()")
    with pytest.raises(OperationalError, match="no room"):
        capture_many(source.tenant_id, [call] * count)
    assert (Event.objects.count(), Refusal.objects.count()) == (0, 0)


def test_capture_refuses_a_value_whose_repr_raises(source, call):
    class Spiteful:
        def __repr__(self):
            raise RuntimeError

    captured = capture(source.tenant_id, {**call, "properties": {"a": Spiteful()}})
    assert [(refusal.reason, refusal.excerpt) for refusal in captured.refused] == [(RefusalReason.NOT_JSON, "")]


def test_capture_built_records_a_mapping_that_raises(source, caplog):
    def build():
        raise KeyError("secret@person.test")

    captured = capture_built(source.tenant_id, "Email Opened", build)
    (refusal,) = Refusal.objects.all()
    assert captured.refused == [refusal]
    assert (refusal.reason, refusal.name) == (RefusalReason.MAPPING_FAILED, "Email Opened")
    assert "The mapping of Email Opened failed: KeyError at test_outbox.py" in caplog.text
    assert "secret@person.test" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_capture_outside_a_transaction_commits_both_rows(source, call):
    capture(source.tenant_id, call)
    connection.close()
    assert (Event.objects.count(), Pending.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_capture_of_the_same_ids_by_many_threads_is_captured_once(source, call):
    calls = [{**call, "messageId": f"order-{number}"} for number in range(50)]

    def run(order):
        try:
            return capture_many(source.tenant_id, order)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, [calls, calls[::-1], calls, calls[::-1]]))
    assert sum(len(captured.event_ids) for captured in results) == 50
    assert sum(captured.duplicates for captured in results) == 150
    assert (Event.objects.count(), Pending.objects.count(), MessageKey.objects.count()) == (50, 50, 50)
