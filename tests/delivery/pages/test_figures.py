from datetime import timedelta

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.utils import timezone

from delivery.batching import new_batch
from delivery.choosing import close
from delivery.enums import BatchState
from delivery.models import Batch, Event, Refusal
from delivery.outbox import capture
from delivery.pages import figures, standing
from delivery.pages.figures import BAR_AREA, GAP, SPANS, WAITING, Chart, charts_of, waiting_values
from delivery.pages.standing import standing_of


@pytest.fixture
def ended(source):
    def make(count, seconds_ago, state=BatchState.ACCEPTED, **given):
        batch = new_batch(source.pk, source.tenant_id, range(1_000, 1_000 + count), 40, **given)
        close(batch, state, "")
        Batch.objects.filter(pk=batch.pk).update(closed_at=timezone.now() - timedelta(seconds=seconds_ago))

    return make


def totals(source):
    return [(chart.total_accepted, chart.total_refused) for chart in charts_of(source, standing_of(source))]


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_charts_count_the_last_hour_day_and_week(source, other_source, ended, call):
    ended(1, 10)
    ended(2, 3_500)
    ended(4, 3_700)
    ended(8, 86_300)
    ended(16, 6 * 86_400)
    ended(32, 8 * 86_400)
    ended(64, 10, BatchState.SET_ASIDE)
    ended(128, 10, again=True)
    for seconds_ago in (10, 7_200):
        capture(source.tenant_id, {**call, "userId": None})
        Refusal.objects.filter(pk=Refusal.objects.latest("pk").pk).update(
            refused_at=timezone.now() - timedelta(seconds=seconds_ago)
        )
    assert totals(source) == [(3, 1), (15, 2), (31, 2)]
    assert totals(other_source) == [(0, 0)] * 3


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_charts_go_from_the_oldest_to_the_newest(source, ended):
    ended(1, 10)
    ended(2, 3_500)
    (hour, _day, week) = charts_of(source, standing_of(source))
    assert hour.accepted == [2, *[0] * 10, 1]
    assert week.accepted == [0] * 6 + [3]


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_charts_stop_counting_refusals_at_many_and_say_so(source, call, monkeypatch):
    monkeypatch.setattr(figures, "MOST_REFUSED", 3)
    for told, counted in (("<strong>2</strong> refused", 2), ("at least <strong>3</strong> refused", 3)):
        for _ in range(2):
            capture(source.tenant_id, {**call, "userId": None})
        charts = charts_of(source, standing_of(source))
        assert [chart.total_refused for chart in charts] == [counted] * 3
        assert told in render_to_string("delivery/chart.html", {"chart": charts[0]})


@pytest.mark.django_db
def test_charts_are_two_queries(source, django_assert_num_queries):
    now = standing_of(source)
    with django_assert_num_queries(2):
        charts_of(source, now)


@pytest.fixture
def waited(source):
    def make(count, began, ended=0, state=BatchState.ACCEPTED):
        """So many seconds ago; until now when it has not ended."""
        batch = new_batch(source.pk, source.tenant_id, range(1_000, 1_000 + count), 40)
        if ended:
            close(batch, state, "")
            Batch.objects.filter(pk=batch.pk).update(closed_at=timezone.now() - timedelta(seconds=ended))
        Batch.objects.filter(pk=batch.pk).update(waiting_since=timezone.now() - timedelta(seconds=began))

    return make


@pytest.fixture
def backlog(source, call):
    """Pending events, by how many seconds ago they were captured."""

    def make(*seconds):
        for each in seconds:
            event_id = capture(source.tenant_id, call).event_ids[0]
            Event.objects.filter(pk=event_id).update(captured_at=timezone.now() - timedelta(seconds=each))

    return make


def waiting(source):
    return [chart.waiting for chart in charts_of(source, standing_of(source))]


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_charts_show_the_most_that_waited_at_one_time(source, other_source, waited):
    # Two at once two hours ago, and another one after them; both are over within their hour.
    waited(10, 7_100, 6_000)
    waited(5, 6_900, 6_100)
    waited(12, 5_900, 5_000)
    # A day and a half long, three days ago.
    waited(100, int(3.7 * 86_400), int(2.2 * 86_400), BatchState.SET_ASIDE)
    hour, day, week = waiting(source)
    assert hour == [0] * 12
    assert day == [0] * 22 + [15, 0]
    assert week == [0, 0, 0, 100, 100, 0, 15]
    assert waiting(other_source) == [[0] * 12, [0] * 24, [0] * 7]


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_what_waits_since_before_the_chart_is_in_each_bar(source, waited, backlog):
    waited(3, 9 * 86_400)
    backlog(1_000, 8 * 86_400)
    hour, day, week = waiting(source)
    assert hour == [4] * 8 + [5] * 4
    assert day == [4] * 23 + [5]
    assert week == [4] * 6 + [5]


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_what_is_sent_within_a_minute_does_not_wait(source, waited, backlog):
    waited(3, 600, 550)
    waited(7, 50)
    backlog(50)
    assert waiting(source)[0] == [0] * 12


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_halves_of_a_batch_wait_for_the_whole(source, waited):
    waited(4, 900, 300, BatchState.SPLIT)
    waited(2, 900, 200)
    waited(2, 900)
    assert max(waiting(source)[0]) == 4


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_a_long_backlog_is_told_by_samples_and_stops_at_many(source, backlog, monkeypatch):
    backlog(*range(700, 200, -100))
    exact = charts_of(source, standing_of(source))[0]
    assert (exact.waiting[-3:], exact.up_to) == ([1, 4, 5], "up to")
    monkeypatch.setattr(figures, "SAMPLES", 3)
    assert charts_of(source, standing_of(source))[0].waiting[-3:] == [2, 4, 5]
    monkeypatch.setattr(figures, "MOST_COUNTED", 4)
    monkeypatch.setattr(standing, "MOST_COUNTED", 4)
    chart = charts_of(source, standing_of(source))[0]
    assert (chart.most_waiting, chart.up_to) == (4, "more than")
    assert "more than <strong>4</strong> waited over" in render_to_string("delivery/chart.html", {"chart": chart})


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_what_waited_before_is_counted_to_the_end(source, waited, monkeypatch):
    monkeypatch.setattr(figures, "MOST_COUNTED", 4)
    monkeypatch.setattr(standing, "MOST_COUNTED", 4)
    waited(9, 900, 300)
    chart = charts_of(source, standing_of(source))[0]
    assert (chart.most_waiting, chart.up_to) == (9, "up to")


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_what_was_accepted_before_the_clock_went_back_does_not_wait(source, waited):
    waited(3, 300, -600)
    assert waiting(source)[0] == [0] * 11 + [3]
    assert standing_of(source).waiting == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_what_never_waited_is_not_read_for_what_did(source, waited):
    waited(2, 900, 300)
    with connection.cursor() as cursor:
        cursor.execute(QUICK, {"source": source.pk, "tenant": source.tenant_id})
        cursor.execute("ANALYZE delivery_batch")
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {WAITING}", {**waiting_values(standing_of(source)), "source": source.pk}
        )
        (plan,) = cursor.fetchone()
    assert waiting(source)[0] == [0] * 9 + [2, 2, 0]
    assert 0 < rows_read(plan[0]["Plan"]) < 10


QUICK = """
INSERT INTO delivery_batch (
    tenant_id, source_id, event_ids, event_count, bytes, state, reason, attempts_made, tries, crashes, ambiguous_region,
    waiting_since, created_at, closed_at
) SELECT %(tenant)s, %(source)s, ARRAY[n], 1, 40, 'accepted', '', 1, 1, 0, '', at, at, at + interval '1 second'
FROM generate_series(1, 5000) AS n CROSS JOIN LATERAL (SELECT now() - make_interval(secs => n * 100) AS at) AS made
"""


def rows_read(node):
    """Of the batches, by all parts of the plan."""
    own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    here = own if node.get("Relation Name") == "delivery_batch" else 0
    return here + sum(map(rows_read, node.get("Plans", [])))


def test_bars_are_as_high_as_their_counts():
    chart = Chart(SPANS[2], [0, 50, 100, 0, 0, 0, 0], [0, 0, 0, 25, 0, 0, 0], [0, 1, 30, 15, 0, 0, 0])
    heights = [(bar.accepted_height, bar.refused_height) for bar in chart.bars]
    assert heights == [(0, 0), (24, 0), (48, 0), (0, 12), (0, 0), (0, 0), (0, 0)]
    assert [bar.x for bar in chart.bars] == [0, 10, 20, 30, 40, 50, 60]
    assert [bar.waiting_height for bar in chart.bars] == [0, 2, 15, 7.5, 0, 0, 0]
    assert chart.width == 68


def test_a_single_refused_event_among_many_is_seen_and_stays_within():
    bar = Chart(SPANS[2], [1_000_000] + [0] * 6, [1] + [0] * 6, [0] * 7).bars[0]
    assert bar.refused_height == 2
    assert bar.accepted_height + GAP + bar.refused_height == BAR_AREA
    assert bar.refused_y == 0
