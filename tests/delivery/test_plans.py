"""That an index serves each statement, however long the log: no table that grows is read from one end to the other.

PostgreSQL reads a small table as a whole whatever indexes it has; here that is forbidden, so it does so only where
nothing else is possible.
"""

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from delivery import admin_search, erasure, expiry, lanes, metrics, replay, retention, sweep
from delivery.alerts.looking import look_around
from delivery.batching import cut, payloads_of
from delivery.holding import batches_holding, newest_batches
from delivery.identities import identities_of
from delivery.importing.known import known_to
from delivery.models import Attempt, Batch, Event, EventPartition, Refusal
from delivery.outbox import capture_many
from delivery.pages.events import State, Wanted, page_of
from delivery.pages.figures import charts_of
from delivery.pages.listings import WantedRefusals, attempts_of, refusals_of
from delivery.pages.standing import standing_of
from delivery.pages.story import story_of
from delivery.replayable import FEW, Criteria
from delivery.review.calls import from_tenant
from delivery.shadow import catch_up
from delivery.templatetags.last_answer import last_answer
from delivery.what_is_sent import bill, tracked_names
from integrations.people import known_user_id
from integrations.signals import Recipient
from tenants.models import User
from tests.delivery.steps import sure

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything")]

GROWS = "delivery_(event|pending|batch|attempt|refusal|messagekey)|integrations_person|integrations_anonymousid"
PARTITION = 5_000_000

FILL = """
INSERT INTO delivery_event (
    id, tenant_id, source_id, occurred_at, captured_at, message_id, bytes, type, name, user_id, payload
) SELECT p * %(size)s + n, %(tenant)s, %(source)s, now(), now() - interval '1 day' * (3 - p), gen_random_uuid(), 2,
    'track', 'Step Done', 'u-' || n, '{}' FROM generate_series(1, 1000) AS n, generate_series(0, 2) AS p;
INSERT INTO delivery_pending (source_id, event_id, bytes)
SELECT source_id, id, bytes FROM delivery_event WHERE id > 2 * %(size)s;
INSERT INTO delivery_batch (
    tenant_id, source_id, event_ids, event_count, bytes, state, reason, attempts_made, tries, crashes, ambiguous_region,
    waiting_since, created_at, closed_at
) SELECT %(tenant)s, %(source)s, ARRAY[p * %(size)s + 2 * n - 1, p * %(size)s + 2 * n], 2, 4, state, '', 1, 1, 0, '',
    now(), now(), CASE WHEN state <> 'open' THEN now() END
FROM generate_series(0, 1) AS p CROSS JOIN (
    SELECT n, (ARRAY['accepted', 'set_aside', 'open', 'accepted'])[1 + n %% 4] AS state
    FROM generate_series(1, 500) AS n
) AS made;
INSERT INTO delivery_attempt (
    batch_id, source_id, number, region, source_version, lease_token, started_at, outcome, ambiguous, answer
) SELECT id, source_id, 1, 'us', 1, gen_random_uuid(), now(), 'accepted', false, '' FROM delivery_batch;
INSERT INTO delivery_refusal (tenant_id, source_id, reason, type, name, user_id, findings, excerpt, refused_at)
SELECT %(tenant)s, %(source)s, 'lint', 'track', '', 'u-' || n, '[]', '', now() FROM generate_series(1, 1000) AS n;
INSERT INTO delivery_messagekey (source_id, message_id, event_id, captured_at)
SELECT source_id, message_id, id, captured_at FROM delivery_event WHERE id <= %(size)s;
INSERT INTO integrations_person (tenant_id, user_id, email, group_id, traits, told_at, seen_at, created_at)
SELECT %(tenant)s, 'u-' || n, n || '@person.test', '', '{}', now(), now(), now() FROM generate_series(1, 1000) AS n;
INSERT INTO integrations_personkey (tenant_id, person_id, kind, value)
SELECT tenant_id, id, 'user', user_id FROM integrations_person;
ANALYZE delivery_event, delivery_pending, delivery_batch, delivery_attempt, delivery_refusal, delivery_messagekey,
    integrations_person, integrations_personkey
"""


@pytest.fixture
def grown(source):
    """A source with 1,000 events in each of three partitions: the last thousand wait, the others are in batches."""
    lanes.ensure(source.pk)
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"tenant": source.tenant_id, "source": source.pk, "size": PARTITION})
    return source


def plans_of(deed):
    """The plans of all that it asks of the database."""
    asked = []

    def note(execute, sql, params, many, context):
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        deed()
    plans = []
    with connection.cursor() as cursor:
        for sql, params in asked:
            if re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)", sql):
                cursor.execute("EXPLAIN " + sql, params)
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
    return plans


def read_as_a_whole(plans):
    return sorted(
        {found.group() for plan in plans for found in re.finditer(rf"Seq Scan on (?!\w+_seq\b)({GROWS})\w*", plan)}
    )


def since_yesterday():
    return Criteria(since=timezone.now() - timedelta(days=1))


def staff_list(model, asked):
    request = RequestFactory().get("/", asked)
    request.user = User(is_active=True, is_staff=True, is_superuser=True)
    return list(admin.site.get_model_admin(model).get_changelist_instance(request).result_list)


STAFF_ASK = {
    Event: [
        *({"state": state} for state in ("waiting", "open", "accepted", "discarded", "quarantined")),
        *({"type": "page"}, {"region": "eu"}, {"within": "1h"}),
    ],
    Batch: [{"state__exact": "discarded"}, {"source__region__exact": "eu"}, {"within": "1h"}],
    Attempt: [{"outcome__exact": "timeout"}, {"answer": "401"}, {"region__exact": "eu"}, {"within": "1h"}],
    Refusal: [{"reason__exact": "too_large"}, {"region": "eu"}, {"within": "1h"}],
}
NO_MESSAGE = "00000000-0000-4000-8000-000000000000"
EVERY_LIST = [{}, {"p": "3"}, {"q": "u-5"}, {"q": "acme"}, {"q": "nobody"}, {"q": NO_MESSAGE}, {"q": "12"}]

CALL = {"type": "track", "event": "Step Done", "userId": "u-1", "properties": {}}
RECIPIENT = Recipient(email="5@person.test", tool_id="7")


def sent_with_an_id(source):
    capture_many(source.tenant_id, [{**CALL, "messageId": "of the test"}], sources=[source])
    return "of the test"


STATEMENTS = {
    "lease and cut": lambda source: cut(sure(lanes.lease(source.pk))),
    "sweep": lambda _source: sweep.due(),
    "capture": lambda source: capture_many(source.tenant_id, [CALL, {**CALL, "messageId": "own"}]),
    "payloads of a batch": lambda source: payloads_of(Batch.objects.filter(source=source).earliest("pk")),
    "userId of a recipient": lambda source: known_user_id(source.tenant_id, RECIPIENT, ""),
    "replay by event": lambda source: replay.count(source, Criteria(event_ids=[1, PARTITION + 1])),
    "replay by many events": lambda source: replay.count(source, Criteria(event_ids=range(1, FEW + 10))),
    "replay by messageId": lambda source: replay.count(source, Criteria(message_ids=[uuid.uuid4()])),
    "replay by batch": lambda source: replay.count(source, Criteria(batch_ids=[1, 2])),
    "replay by time": lambda source: replay.count(source, since_yesterday()),
    "replay by answer": lambda source: replay.count(source, Criteria(answer="accepted")),
    "known history": lambda source: known_to(source, ["a", "b"]),
    "sentence of a source": standing_of,
    "charts": lambda source: charts_of(source, standing_of(source)),
    "going live": lambda source: catch_up(source, timezone.now()),
    "identities": identities_of,
    "bill": lambda source: bill(source, [], source.identity),
    "names of tracks": tracked_names,
    "page of events": lambda source: page_of(source, Wanted()),
    "later page of events": lambda source: page_of(source, Wanted(), before=PARTITION),
    "events by name": lambda source: page_of(source, Wanted(name="step")),
    "events of a person": lambda source: page_of(source, Wanted(user="u-5")),
    **{f"events {state}": lambda source, state=state: page_of(source, Wanted(state=state)) for state in State},
    **{
        f"events {state} by name": lambda source, state=state: page_of(source, Wanted(state=state, name="none"))
        for state in State
    },
    "review": lambda source: list(from_tenant(source.tenant_id, timezone.now() - timedelta(days=9), 100)),
    "event": lambda source: story_of(source, 5),
    "refusals": lambda source: refusals_of(source, WantedRefusals()),
    "refusals by name": lambda source: refusals_of(source, WantedRefusals(name="none")),
    "requests": attempts_of,
    "answer of a source": lambda source: last_answer(source, ""),
    "answer of a test event": lambda source: last_answer(source, sent_with_an_id(source)),
    "what is owed": lambda source: expiry.owed([(source.pk, 0, PARTITION)]),
    "whether a partition is owed": lambda _source: retention.is_owed(EventPartition(first_id=1, end_id=PARTITION)),
    "retention": lambda _source: retention.run(),
    "erasing a source": lambda source: erasure.erase_source(source.pk),
    "deleted sources": lambda _source: erasure.orphans(),
    "alerts": lambda _source: look_around(),
    **{
        f"staff's {model._meta.verbose_name_plural} {asked}": lambda _source, model=model, asked=asked: staff_list(
            model, asked
        )
        for model, asks in STAFF_ASK.items()
        for asked in (*EVERY_LIST, *asks)
    },
    "metrics": lambda _source: list(metrics.EngineCollector().collect()),
}


@pytest.mark.parametrize("deed", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_no_statement_reads_a_table_that_grows_as_a_whole(grown, deed):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plans = plans_of(lambda: deed(grown))
    assert any(re.search(GROWS, plan) for plan in plans)
    assert read_as_a_whole(plans) == []


def test_a_backlog_of_one_source_is_not_read_for_the_others(grown):
    """Of its own accord: who expects to meet a row of any source soon reads all that is pending to find none."""
    partition = EventPartition(first_id=2 * PARTITION + 1, end_id=3 * PARTITION)
    assert read_as_a_whole(plans_of(sweep.due)) == []
    assert "delivery_pending" not in "".join(read_as_a_whole(plans_of(lambda: retention.is_owed(partition))))


def test_refused_calls_of_one_source_are_not_read_for_another(grown, other_source):
    """Of its own accord: who takes all of them for anybody's walks them by id, and comes to the end."""
    assert "delivery_refusal_pkey" not in "".join(plans_of(lambda: standing_of(other_source)))


def test_staffs_search_of_a_tenant_with_a_great_many_sources_ends_with_the_newest(grown, monkeypatch):
    monkeypatch.setattr(admin_search, "MOST_SOURCES", 0)
    monkeypatch.setattr(admin_search, "NEWEST", 100)
    plans = plans_of(lambda: staff_list(Event, {"q": "acme"}))
    (listing,) = [plan for plan in plans if "tenants_tenant" in plan and "delivery_event" in plan]
    assert re.findall(r"on delivery_event_(1|5000001)\b", listing) == []


def test_payloads_of_a_batch_are_looked_for_in_its_partition_alone(grown):
    batch = Batch(event_ids=[PARTITION + 1, PARTITION + 2])
    (plan,) = plans_of(lambda: payloads_of(batch))
    assert set(re.findall(r"delivery_event_\d+", plan)) >= {f"delivery_event_{PARTITION + 1}"}
    assert not re.search(rf"delivery_event_(1|{2 * PARTITION + 1})\b(?!_)", plan)


def test_batches_that_were_given_up_are_read_no_further_than_the_page_goes(grown):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    (plan, *_others) = plans_of(lambda: page_of(grown, Wanted(state="set_aside")))
    indexes = re.findall(r"(?:using|Index Scan on) (\w+)", plan)
    assert indexes == ["batch_given_up_newest", "batch_given_up_newest", "batch_of_event"]


@pytest.mark.parametrize("count", [1, 50, 1_000])
def test_batches_of_events_are_found_by_the_index_of_their_ids(grown, count):
    """Of its own accord: the other ways end in comparing the array of each batch."""
    event_ids = list(range(1, count + 1))
    events = [(grown.pk, event_id) for event_id in event_ids]
    for look in (lambda: newest_batches(grown.pk, event_ids), lambda: batches_holding(events)):
        (plan,) = plans_of(look)
        assert re.findall(r"(?:using|Index Scan on) (\w+)", plan) == ["batch_of_event"]
